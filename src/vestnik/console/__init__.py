"""The operator console: pages for people who never saw a terminal, rendered on the server."""
