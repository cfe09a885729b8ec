"""Property tests take the time they take: a busy machine is no failure.

In CI the examples are the same at every run; everywhere else each run looks at new ones.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "patient",
    deadline=None,
    max_examples=60,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("patient")
