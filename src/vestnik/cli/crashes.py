"""Crashes of the delivery as a parent sees them: a worker goes on after one, so its exit code says nothing."""

from vestnik.worker import LANE_CRASHED


def is_crash(line: str) -> bool:
    """Whether a line that a worker wrote to standard error says so; the lines of its traceback do not."""
    return line.split(" ", 1)[0] == LANE_CRASHED


def describe_crashes(count: int) -> str:
    """For people, without a full stop."""
    times = "once" if count == 1 else f"{count} times"
    return f"the delivery for an account crashed {times}, though it was started again"
