"""All settings, read once by bootstrap and passed in."""
