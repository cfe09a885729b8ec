"""What is typed of a campaign, read as the services take it."""

from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.formats import TURNS, find_zone, list_turns
from vestnik.console.forms import Form
from vestnik.domain.campaigns import (
    MIN_ERROR_RATE,
    check_error_rate,
    check_rate,
    check_retry_limit,
    parse_mode,
)
from vestnik.domain.errors import InvalidInputError, NotFoundError
from vestnik.domain.ids import AccountId, BatchId, TemplateId
from vestnik.domain.names import check_name
from vestnik.services.accounts import parse_id
from vestnik.services.batches import BatchView, get_batch, list_batches
from vestnik.services.campaign_edits import CampaignDraft
from vestnik.services.templates import ListedTemplate, get_template, list_templates

Found = TypeVar("Found")

CHOICES: Final = 20
"""Batches or templates that are offered at once; the others are found by searching."""
_HUNDRED: Final = Decimal(100)
_PERCENT: Final = "this has to be a percentage from 0.1 to 100, such as 10"
_INSTANT: Final = "this has to be a date and a time, such as 2026-05-09T14:05"
_RENAMED: Final = {
    "batch": "batch_id",
    "template": "template_id",
    "account": "account_id",
    "rate": "delivery_rate",
}
"""Fields as some services call them, and as the forms do."""


def read_rate(form: Form) -> Decimal:
    """Messages per second; a comma is taken for the decimal point."""
    return check_rate(form.text("delivery_rate").strip().replace(",", "."), field="delivery_rate")


def read_retry_limit(form: Form) -> int:
    """Retries after the first attempt."""
    return check_retry_limit(form.whole("retry_limit"))


def read_error_rate(form: Form) -> Decimal:
    """Typed as a percentage, read as a fraction."""
    text = form.text("max_error_rate").strip().removesuffix("%").strip().replace(",", ".")
    try:
        percent = Decimal(text)
    except InvalidOperation:
        raise InvalidInputError(_PERCENT, field="max_error_rate") from None
    if not percent.is_finite() or not MIN_ERROR_RATE * _HUNDRED <= percent <= _HUNDRED:
        raise InvalidInputError(_PERCENT, field="max_error_rate")
    return check_error_rate(percent / _HUNDRED)


def write_error_rate(fraction: Decimal) -> str:
    """As a form shows it: 0.100 is 10."""
    return f"{(fraction * _HUNDRED).normalize():f}"


def write_rate(rate: Decimal) -> str:
    """As a form shows it: 20.000 is 20."""
    return f"{rate.normalize():f}"


def read_instant(form: Form, name: str, zone: tzinfo) -> datetime | None:
    """A time in the zone that the page showed, or else in `zone`; None if the field is empty.

    `<name>_zone` is that zone; `<name>_turn` says which of two is meant where clocks are put back.
    """
    text = form.optional(name)
    if text is None:
        return None
    zone = read_zone(form, name, zone)
    local = _read_local(text, name)
    at = local.replace(tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != local:
        raise InvalidInputError(
            "this time does not exist: clocks are put forward in that night; choose another", field=name
        )
    turns = list_turns(local, zone)
    if not turns:
        return at
    turn = form.text(f"{name}_turn")
    if turn not in TURNS:
        raise InvalidInputError(
            "this time comes twice: clocks are put back in that night; choose which is meant", field=name
        )
    return turns[TURNS.index(turn)]


def _read_local(text: str, name: str) -> datetime:
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(_INSTANT, field=name) from None
    if local.tzinfo is not None or not 1970 < local.year < 9000:
        raise InvalidInputError(_INSTANT, field=name)
    return local


def read_zone(form: Form, name: str, zone: tzinfo) -> tzinfo:
    """That of the page on which a time was typed: the browser may tell another one by now."""
    typed = form.optional(f"{name}_zone")
    if typed is None or typed == str(zone):
        return zone
    found = find_zone(typed)
    if found is None:
        raise InvalidInputError(_INSTANT, field=name)
    return found


def read_id(form: Form, name: str, missing: str) -> UUID:
    """An id that a page of ours offered."""
    found = parse_id(form.text(name).strip())
    if found is None:
        raise InvalidInputError(missing, field=name)
    return found


def read_batch_id(form: Form) -> BatchId:
    """The chosen batch."""
    return BatchId(read_id(form, "batch_id", "choose a batch of channels"))


def read_template_id(form: Form) -> TemplateId:
    """The chosen template."""
    return TemplateId(read_id(form, "template_id", "choose a template"))


def read_account_id(form: Form) -> AccountId | None:
    """The chosen account; None leaves the choice to the service."""
    if form.optional("account_id") is None:
        return None
    return AccountId(read_id(form, "account_id", "choose an account"))


def read_draft(form: Form, zone: tzinfo, *, with_schedule: bool = True) -> CampaignDraft:
    """The whole campaign. Raises InvalidInputError, which names the first field that is wrong."""
    return CampaignDraft(
        name=check_name(form.text("name")),
        batch_id=read_batch_id(form),
        template_id=read_template_id(form),
        mode=parse_mode(form.text("mode")),
        account_id=read_account_id(form),
        delivery_rate=read_rate(form),
        retry_limit=read_retry_limit(form),
        max_error_rate=read_error_rate(form),
        scheduled_at=read_instant(form, "scheduled_at", zone) if with_schedule else None,
    )


def rename_problems(form: Form) -> Form:
    """Problems at the fields of the forms, however the service called them."""
    return form.with_problems(
        **{_RENAMED.get(name, name): problem for name, problem in form.problems.items()}
    )


async def find_batches(session: AsyncSession, form: Form) -> tuple[Sequence[BatchView], bool]:
    """Those that are searched for, the newest first, after the chosen one; and whether there are more."""
    found = await list_batches(session, limit=CHOICES + 1, search=form.optional("batch_search"))
    shown = list(found[:CHOICES])
    chosen = parse_id(form.text("batch_id").strip())
    if chosen is not None and chosen not in {batch.id for batch in shown}:
        detail = await _find(get_batch(session, BatchId(chosen)))
        shown = [detail.batch, *shown] if detail is not None else shown
    return shown, len(found) > CHOICES


async def find_templates(session: AsyncSession, form: Form) -> tuple[Sequence[ListedTemplate], bool]:
    """Those that are searched for, the newest first, after the chosen one; and whether there are more."""
    found = await list_templates(session, limit=CHOICES + 1, search=form.optional("template_search"))
    shown = list(found[:CHOICES])
    chosen = parse_id(form.text("template_id").strip())
    if chosen is not None and chosen not in {template.id for template in shown}:
        template = await _find(get_template(session, TemplateId(chosen)))
        shown = [template, *shown] if template is not None else shown
    return shown, len(found) > CHOICES


async def _find(looking: Awaitable[Found]) -> Found | None:
    try:
        return await looking
    except NotFoundError:
        return None
