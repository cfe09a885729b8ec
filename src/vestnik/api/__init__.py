"""The HTTP API. It only translates: what it does is in services."""
