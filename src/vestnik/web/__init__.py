"""What the API and the console share: who asks, in which transaction, and how errors look."""
