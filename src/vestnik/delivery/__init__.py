"""The engine: lease, claim, pace, send, record."""
