"""The engine's clock: monotonic, and running on while the machine is suspended."""

import sys
import time

if sys.platform == "linux":

    def read_clock() -> float:
        """Seconds since some fixed instant; CLOCK_BOOTTIME counts the time that the machine was suspended."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

elif sys.platform == "darwin":

    def read_clock() -> float:
        """Seconds since some fixed instant; on macOS CLOCK_MONOTONIC goes on during sleep, time.monotonic not."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)

else:

    def read_clock() -> float:
        """Seconds since some fixed instant; on Windows the performance counter goes on during sleep."""
        return time.monotonic()
