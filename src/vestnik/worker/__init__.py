"""The worker process: lanes, background tasks, signals."""
