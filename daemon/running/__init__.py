"""The shell around a run: ways to its instruments, their rows beside the cell, and what is written."""
