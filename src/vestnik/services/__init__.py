"""One function per operator intention; no HTTP, no commit."""
