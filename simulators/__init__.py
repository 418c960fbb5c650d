"""The bench: simulated instruments behind real cables, sharing one simulated cell. Imports nothing of the daemon."""
