"""The sentences of errors, taken from the sources: what a person can be told, with `{}` for values."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from tests.support.source_reading import (
    PACKAGE,
    Function,
    Module,
    find_argument,
    name_of,
    walk_calls,
    walk_own,
)
from tests.support.text_evaluator import HOLE, Evaluator, Scope
from vestnik.domain.actors import ActorKind
from vestnik.domain.alerts import LANGUAGES, DestinationKind, MailSecurity
from vestnik.domain.commands import CommandKind, CommandStatus
from vestnik.domain.lifecycle import CampaignAction, campaign_sources
from vestnik.domain.media import MediaType
from vestnik.domain.states import AccountState, CampaignStatus, JobStatus, PauseReason
from vestnik.domain.users import Role, TokenScope


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """A message as the catalogue has it, and where it comes from."""

    text: str
    place: str
    kind: str
    """The class of the error, or the function that is handed the message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sink:
    """A function that is handed a message which a person gets to see: by its keyword, or its place."""

    name: str
    keyword: str
    position: int | None = None


SINKS = (
    Sink(name="InvalidLine", keyword="reason"),
    Sink(name="refuse_job", keyword="message", position=2),
    Sink(name="refuse_command", keyword="message", position=2),
    Sink(name="fail_campaign", keyword="detail", position=2),
    Sink(name="miss_schedule", keyword="detail", position=2),
    Sink(name="TransportError", keyword="message", position=2),
    Sink(name="LoginError", keyword="message", position=1),
    Sink(name="ReportedLine", keyword="reason"),
    Sink(name="Refusal", keyword="message"),
)
LISTS = {"services/previews.py": ("_list_warnings", "_list_media_warnings", "_list_option_warnings")}
"""Functions that return lists of messages."""
TEXTS = {
    "services/campaign_views.py": ("_describe_block",),
    "services/alerts.py": ("_describe_hold", "_describe_failures", "_describe_standstill"),
    "alerting/machine.py": ("_describe_space",),
}
"""Functions that return a message which is no error's."""
TABLES = {"domain/commands.py": ("_EXPLANATIONS",), "domain/account_logins.py": ("_EXPLANATIONS",)}
"""Messages by their codes."""
_SQL_TEXT = re.compile(r"'([A-Z%][^'\n]* [^'\n]* [^'\n]*[.])'")

_SQL_CODE = re.compile(r"(?:THEN|ELSE|,|SELECT) '([A-Z_]{5,})'")
_CODE_PLACES = {"TransportError": 0, "_build": 0, "_transient": 0, "refuse_job": 1, "refuse_command": 1}
"""Functions that are handed the code of an error, and where."""

ROOMS = (
    "alerting/",
    "console/",
    "content/",
    "db/",
    "delivery/",
    "domain/",
    "services/",
    "simulator/control.py",
    "telegram/",
    "transports.py",
    "web/",
)
"""Where messages are made that a person can read in the console, or that are stored for him."""

SKIPPED_PLACES: Mapping[str, str] = {
    "db/embedded/": "the database of this machine is started by the command line",
    "db/listener.py": "ends a worker at its start",
    "db/schema.py": "ends a process at its start",
    "delivery/failpoints.py": "ends a worker at its start; for tests",
    "web/cursors.py": "the console takes what is no cursor for the first page",
    "web/etags.py": "header of the API",
    "web/idempotency.py": "header of the API",
    "web/identity.py": "header and tokens of the API",
}
SKIPPED_KINDS: Mapping[str, str] = {
    "DatabaseUnavailableError": "the console has its own words for a database that is away",
    "ForgedRequestError": "the console has its own words for it",
    "PasswordChangeRequiredError": "the console leads to the page where it is done",
    "SchemaVersionError": "the console has its own words for a database that cannot be used",
}
SKIPPED: Mapping[str, str] = {
    "the database address is not a URL; expected postgresql://USER:PASSWORD@HOST:5432/DATABASE": "at start",
    "the database address has an @ too many; write the characters @ : / ? # % of a password as %40 %3A %2F %3F "
    "%23 %25": "at start",
    "the database address begins with {}://; Vestnik needs postgresql://": "at start",
    "the database address names no database; expected postgresql://USER:PASSWORD@HOST:5432/DATABASE": "at start",
    "the token is wrong, expired or revoked; make a new one": "tokens are of the API",
    "the session has ended; sign in again": "the console leads to the page to sign in",
}

WORDS = (
    # States and kinds, as sentences name them.
    *(
        str(member)
        for states in (
            CampaignStatus,
            AccountState,
            Role,
            TokenScope,
            MediaType,
            DestinationKind,
            MailSecurity,
        )
        for member in states
    ),
    *(
        " or ".join(campaign_sources(action))
        for action in CampaignAction
        if len(campaign_sources(action)) > 1
    ),
    ", ".join(Role),
    ", ".join(TokenScope),
    ", ".join(MediaType),
    ", ".join(DestinationKind),
    ", ".join(MailSecurity),
    ", ".join(LANGUAGES),
    *("bold", "italic", "underline", "strikethrough", "spoiler"),
    # Fields.
    *("account", "batch", "campaign", "caption", "channels_file", "mode", "template", "text"),
    *("delivery_rate", "delivery rate", "max_error_rate", "max error rate", "rate", "retry limit"),
    # Lists of names, each in quotes.
    "'{}'",
    "'{}', {}",
    "template '{}'",
    "campaign '{}'",
    "template '{}', {}",
    "campaign '{}', {}",
    # An account's reason: the error's name and its sentence.
    "{}: {}",
    # The first bad lines of a list.
    *("; ".join(["line {} '{}': {}"] * count) for count in (1, 2, 3)),
    # Sizes.
    "{} bytes",
    "{} MiB",
)
"""What stands in a `{}` without being written out in one place."""


class SentenceReader:
    """Finds the messages of errors, and those that are stored or shown without being raised."""

    def __init__(self) -> None:
        self.evaluator = Evaluator()
        self._error_classes = self._find_error_classes()

    def collect(self, is_wanted: Callable[[str], bool]) -> Iterator[Sentence]:
        """The messages that are made in the wanted modules, by their paths."""
        for module in self.evaluator.modules.values():
            if is_wanted(module.path):
                yield from self._collect_module(module)

    def _collect_module(self, module: Module) -> Iterator[Sentence]:
        for call, function in walk_calls(module.tree):
            kind = name_of(call.func)
            message = self._find_message(call, kind, function)
            if message is not None:
                scope = Scope(module, function)
                for text in self.evaluator.evaluate(message, scope):
                    yield Sentence(text=text, place=f"{module.path}:{call.lineno}", kind=kind)
        for name in LISTS.get(module.path, ()):
            for text, line in self._list_messages(module, name):
                yield Sentence(text=text, place=f"{module.path}:{line}", kind=name)
        for name in TEXTS.get(module.path, ()):
            function = module.functions[name]
            scope = Scope(module, function)
            for node in walk_own(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    for text in self.evaluator.evaluate(node.value, scope):
                        yield Sentence(text=text, place=f"{module.path}:{node.lineno}", kind=name)
        for name in TABLES.get(module.path, ()):
            for text in self.evaluator.evaluate_table(name, Scope(module, None)):
                yield Sentence(text=text, place=f"{module.path}:{name}", kind=name)

    def _find_message(self, call: ast.Call, kind: str, function: Function | None) -> ast.expr | None:
        for sink in SINKS:
            if sink.name == kind:
                return find_argument(call, sink.keyword, sink.position)
        is_init = isinstance(call.func, ast.Attribute) and call.func.attr == "__init__"
        if is_init and function is not None and call.args and isinstance(call.args[0], ast.JoinedStr):
            return call.args[0]
        return call.args[0] if kind in self._error_classes and call.args else None

    def _list_messages(self, module: Module, name: str) -> Iterator[tuple[str, int]]:
        function = module.functions[name]
        scope = Scope(module, function)
        for node in ast.walk(function):
            found: list[ast.expr] = []
            if isinstance(node, ast.Return) and isinstance(node.value, ast.List):
                found = node.value.elts
            elif isinstance(node, ast.Call) and name_of(node.func) == "append":
                found = node.args
            for expression in found:
                for text in self.evaluator.evaluate(expression, scope):
                    yield text, expression.lineno

    def _find_error_classes(self) -> frozenset[str]:
        bases = {
            node.name: {name_of(base) for base in node.bases}
            for module in self.evaluator.modules.values()
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ClassDef)
        }
        found = {"VestnikError"}
        while more := {name for name, above in bases.items() if above & found} - found:
            found |= more
        return frozenset(found)


@cache
def list_sentences() -> Mapping[str, str]:
    """Everything that needs a text in each language, with the place it comes from."""
    reader = read_sentences()
    found: dict[str, str] = {}
    for sentence in (*reader.collect(_is_shown), *list_stored_texts()):
        has_words = re.search(r"[^\W\d_]{2,}", sentence.text.replace(HOLE, "")) is not None
        is_skipped = sentence.kind in SKIPPED_KINDS or sentence.text in SKIPPED
        if not is_skipped and (has_words or sentence.text.count(HOLE) > 1):
            found.setdefault(sentence.text, sentence.place)
    for text, place in reader.evaluator.parts.items():
        if _is_shown(place):
            found.setdefault(text, place)
    for text in WORDS:
        found.setdefault(text, "WORDS")
    return found


def list_stored_texts() -> Iterator[Sentence]:
    """Messages that statements write into rows."""
    for path in sorted((PACKAGE / "db" / "sql").glob("*.sql")):
        for text in _SQL_TEXT.findall(path.read_text(encoding="utf-8")):
            said = text.replace("%s", HOLE).replace("%%", "%")
            yield Sentence(text=said, place=f"db/sql/{path.name}", kind="SQL")


def _is_shown(path: str) -> bool:
    return path.startswith(ROOMS) and not path.startswith(tuple(SKIPPED_PLACES))


@cache
def list_codes() -> frozenset[str]:
    """The error codes of our own that may be stored with a post; Telegram's are in telegram/error_names.py."""
    evaluator = read_sentences().evaluator
    found: set[str] = set()
    for module in evaluator.modules.values():
        if module.path.startswith(("delivery/", "domain/", "telegram/", "transports.py")):
            for call, function in walk_calls(module.tree):
                place = _CODE_PLACES.get(name_of(call.func))
                code = None if place is None else find_argument(call, "code", place)
                if code is not None:
                    found |= evaluator.evaluate(code, Scope(module, function))
    for path in (PACKAGE / "db" / "sql").glob("*.sql"):
        text = path.read_text(encoding="utf-8")
        # An adoption calls reasons and changes of rows so, and takes its error codes from the others.
        if "error_code" in text and not path.name.startswith("adopt_"):
            found |= set(_SQL_CODE.findall(text))
    codes = {code for code in found if re.fullmatch("[A-Z_]{3,}", code)}
    others = {*CampaignStatus, *JobStatus, *CommandStatus, *CommandKind, *PauseReason, *ActorKind}
    return frozenset(codes - others | {CommandStatus.EXPIRED})


@cache
def read_sentences() -> SentenceReader:
    """The package, read once."""
    return SentenceReader()
