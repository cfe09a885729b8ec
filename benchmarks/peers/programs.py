"""Running the program of a peer: it gets its orders and a time limit, and says in JSON what it measured."""

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any, Final

from benchmarks.peers.installation import PROGRAMS

DATABASE_VARIABLE: Final = "PEER_DATABASE_URL"
"""In the environment, since every user of the machine reads the arguments of others' processes."""
GRACE_SECONDS: Final = 10
"""For the program to say itself that its time is over."""
LAST_WORDS: Final = 2000


class PeerFailedError(Exception):
    """A peer could not be measured; the text says why, for the report."""


def run_program(
    command: Sequence[str], orders: Mapping[str, Any], *, database_url: str, seconds: float
) -> dict[str, Any]:
    """What the program answers to its orders; raises PeerFailedError, after `seconds` at the latest."""
    environment = {**os.environ, DATABASE_VARIABLE: database_url, "PYTHONPATH": str(PROGRAMS.parents[1])}
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [*command, json.dumps({**orders, "timeout": seconds})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            cwd=PROGRAMS,
        ) as process,
    ):
        assert process.stdout is not None
        limit = threading.Timer(seconds + GRACE_SECONDS, process.kill)
        limit.start()
        try:
            answer = process.stdout.read()
            code = process.wait()
        finally:
            limit.cancel()
            process.kill()
        return _read_answer(answer, code, errors)


def _read_answer(answer: bytes, code: int, errors: IO[bytes]) -> dict[str, Any]:
    lines = answer.decode(errors="replace").splitlines()
    try:
        said = json.loads(lines[-1])
    except (IndexError, ValueError):
        errors.seek(0)
        words = errors.read()[-LAST_WORDS:].decode(errors="replace").strip()
        raise PeerFailedError(f"the program ended with code {code} and without an answer: {words}") from None
    if not isinstance(said, dict) or "error" in said or code:
        raise PeerFailedError(_shorten(said))
    return said


def _shorten(said: object) -> str:
    """The sentence of an error, without the lines that say where it was raised."""
    error = said.get("error", said) if isinstance(said, dict) else said
    lines = [line for line in str(error).splitlines() if line.strip()]
    sentence = next((line for line in lines if not line.startswith((" ", "Traceback"))), "no words")
    return sentence.strip()[:LAST_WORDS]
