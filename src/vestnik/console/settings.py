"""Settings: what is set, where it comes from and what it means; secrets are never shown."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter
from fastapi.responses import Response

from vestnik.console.marking import mark
from vestnik.console.setting_words import GROUPS, SettingWords
from vestnik.console.visitors import Visiting, open_to
from vestnik.domain.installation import SettingSource, SettingView
from vestnik.domain.users import Role
from vestnik.web.state import read_state

router = APIRouter(prefix="/settings")

SOURCES = {
    SettingSource.ENVIRONMENT: mark("environment variable"),
    SettingSource.FILE: mark("the file .env"),
    SettingSource.START: mark("option at the start"),
    SettingSource.DEFAULT: mark("default"),
}


@router.get("", **open_to(Role.ADMIN))
async def show_settings(visitor: Visiting) -> Response:
    """All settings of the process that serves this page."""
    installation = read_state(visitor.request.app).installation
    return visitor.render(
        "settings/page.html",
        groups=_group({view.name: view for view in installation.settings}),
        sources=SOURCES,
    )


def _group(
    views: Mapping[str, SettingView],
) -> dict[str, Sequence[tuple[SettingView, SettingWords]]]:
    return {
        title: [(views[name], words) for name, words in group.items() if name in views]
        for title, group in GROUPS.items()
    }
