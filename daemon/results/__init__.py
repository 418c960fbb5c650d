"""What a run came to, read back from its file."""
