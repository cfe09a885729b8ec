"""How the delivery engine reads what was encrypted for it, without knowing where the keys are."""

from typing import Protocol


class Unsealer(Protocol):
    """Opens secrets that are bound to a row (see `db.secrets`)."""

    def decrypt(self, ciphertext: bytes, identity: str) -> str:
        """The text again. Raises SecretError or ConfigurationError when no key at hand opens it."""
        ...
