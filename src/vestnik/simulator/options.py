"""What can be chosen about the server's behaviour, all of it changeable while it runs."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field


class RandomIdAnswer(StrEnum):
    """What a repeated random_id gets. Except for IGNORED it never posts twice.

    Telegram is known to do either of the first two; the third is its documented text, by which the error
    comes only while the first call is still running. IGNORED is wrong on purpose: it lets a test prove that
    it would notice a double.
    """

    ORIGINAL = "original"
    DUPLICATE = "duplicate"
    DUPLICATE_WHILE_RUNNING = "duplicate_while_running"
    IGNORED = "ignored"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Server-wide behaviour. Times are in seconds.

    `latency` and up to `latency_jitter` more pass between the execution of a request and its answer.
    `gzip_above` is the size in bytes beyond which an answer is compressed, if that makes it smaller.
    `one_connection_per_key` kills a key that two connections use at once, with AUTH_KEY_DUPLICATED.
    """

    random_id: RandomIdAnswer = RandomIdAnswer.ORIGINAL
    latency: Annotated[float, Field(ge=0, le=3600)] = 0.0
    latency_jitter: Annotated[float, Field(ge=0, le=3600)] = 0.0
    gzip_above: Annotated[int, Field(ge=0)] = 4096
    one_connection_per_key: bool = False

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}
