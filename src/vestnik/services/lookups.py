"""What keeps a campaign's channels waiting for their addresses."""

from vestnik.db.lookups import LookupWait, find_lookup_wait

__all__ = ["LookupWait", "find_lookup_wait"]
