"""Messages of errors in another language.

Errors are raised with English sentences, some of them with values inside. The catalogue has each sentence once,
with `{}` for a value, and a message is recognised by the words around its values. What is not recognised is shown
as it is: English is better than nothing. A test takes all sentences from the sources and asks for each in every
language.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

HOLE: Final = "{}"
_DEEPEST: Final = 8
"""A value may be the message of another error, or a list of names."""
_SHOWN_HOLE: Final = re.compile(r"\{(\d*)\}")
_GROUPED: Final = re.compile(r"\d{1,3}(?:,\d{3})+")
_FRACTION: Final = re.compile(r"\d+\.\d+")
_QUOTES: Final = ("'", '"')


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A sentence with values, and the places of those that people gave: what stands in quotes stays as it is."""

    known: str
    words: tuple[str, ...]
    """What stands before, between and behind the values."""
    given: frozenset[int]

    def find_values(self, message: str) -> list[str] | None:
        """None if it is another message. Takes no longer for one that was made to look like many others."""
        first, *middle, last = self.words
        position, end = len(first), len(message) - len(last)
        if position > end or not (message.startswith(first) and message.endswith(last)):
            return None
        values = []
        for words in middle:
            found = message.find(words, position, end)
            if found < 0:
                return None
            values.append(message[position:found])
            position = found + len(words)
        return [*values, message[position:end]]


class ErrorTexts:
    """The sentences of one language."""

    def __init__(self, texts: Mapping[str, str], *, group: str = ",", point: str = ".") -> None:
        """`texts` are the sentences by the English ones; both have the same number of `{}`, or numbered ones.

        `group` separates the thousands of numbers, `point` their fractions.
        """
        self._texts = texts
        self._group = group
        self._point = point
        holed = [known for known in texts if HOLE in known]
        # The one with the most words of its own first: it says the most about a message.
        holed.sort(key=lambda known: len(known.replace(HOLE, "")), reverse=True)
        self._patterns = [_compile(known) for known in holed]

    def translate(self, message: str) -> str:
        """The message in this language, or as it is."""
        return self._translate(message, 0)

    def find(self, message: str) -> tuple[str, Sequence[str]] | None:
        """The sentence that a message is, and its values."""
        if message in self._texts and HOLE not in message:
            return message, ()
        for pattern in self._patterns:
            values = pattern.find_values(message)
            if values is not None:
                return pattern.known, values
        return None

    def _translate(self, message: str, depth: int) -> str:
        if HOLE not in message and message in self._texts:
            return self._texts[message]
        if depth >= _DEEPEST:
            return message
        for pattern in self._patterns:
            values = pattern.find_values(message)
            if values is not None:
                said = [
                    value if place in pattern.given else self._write_value(value, depth)
                    for place, value in enumerate(values)
                ]
                return fill(self._texts[pattern.known], said)
        return message

    def _write_value(self, value: str, depth: int) -> str:
        if _GROUPED.fullmatch(value):
            return value.replace(",", self._group)
        if _FRACTION.fullmatch(value):
            return value.replace(".", self._point)
        return self._translate(value, depth + 1)


def fill(text: str, values: Sequence[str]) -> str:
    """The text with its values: `{}` takes the next one, `{0}` the one of this number. Other braces are text."""
    following = iter(range(len(values)))
    return _SHOWN_HOLE.sub(
        lambda hole: values[int(hole[1]) if hole[1] else next(following)],
        text,
    )


def _compile(sentence: str) -> _Pattern:
    words = tuple(sentence.split(HOLE))
    return _Pattern(
        known=sentence,
        words=words,
        given=frozenset(
            place
            for place, (before, after) in enumerate(pairwise(words))
            if before.endswith(_QUOTES) and after.startswith(_QUOTES)
        ),
    )
