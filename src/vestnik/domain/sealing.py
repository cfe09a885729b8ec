"""How the delivery engine reads and keeps what is encrypted, without knowing where the keys are."""

from typing import Protocol


class Unsealer(Protocol):
    """Opens secrets that are bound to a row (see `db.secrets`)."""

    def decrypt(self, ciphertext: bytes, identity: str) -> str:
        """The text again. Raises SecretError or ConfigurationError when no key at hand opens it."""
        ...


class Sealer(Unsealer, Protocol):
    """Keeps secrets as well."""

    def encrypt(self, secret: str, identity: str) -> bytes:
        """The ciphertext of a text for the row that `identity` names. Raises SecretError, ConfigurationError."""
        ...

    def digest(self, secret: bytes, purpose: str) -> bytes:
        """Tells equal secrets from different ones. Raises SecretError, ConfigurationError."""
        ...
