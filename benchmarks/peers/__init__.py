"""The queues that one might pick instead of Vestnik, measured by programs of their own: see catalogue."""
