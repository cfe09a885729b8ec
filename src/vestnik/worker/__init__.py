"""The worker process: lanes, background tasks, signals."""

LANE_CRASHED = "lane.crashed"
"""The log event of a lane that ended by an error of ours. It is started again; drill and demo look for this."""
