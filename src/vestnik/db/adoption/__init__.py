"""Taking over the database of the predecessor, whose tables have the names of ours.

Its tables are moved into a schema of their own, whole, and stay there: what is taken over is copied from them, and
undoing means moving them back.
"""

PREDECESSOR = "predecessor"
"""The schema that they are moved to."""
