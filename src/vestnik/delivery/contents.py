"""What a campaign's posts look like, channel by channel."""

from dataclasses import replace
from datetime import tzinfo

from vestnik.content import FrozenContent, Values
from vestnik.domain.transport import Content


class CampaignContent:
    """Renders posts; what is the same for all channels is rendered once."""

    def __init__(self, frozen: FrozenContent, zone: tzinfo) -> None:
        self.frozen = frozen
        self._is_personal = frozen.is_personal
        self._zone = zone
        self._common: Content | None = None

    def render(self, values: Values) -> Content:
        """The post in one channel. Raises InvalidInputError where that cannot be posted there."""
        if self._is_personal:
            return self.frozen.render(replace(values, at=values.at.astimezone(self._zone)))
        if self._common is None:
            self._common = self.frozen.render(None)
        return self._common
