"""Marks a text in the code for the catalogues; it is translated where it is shown."""


def mark(message: str) -> str:
    """The message itself."""
    return message
