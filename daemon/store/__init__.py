"""What outlives a process: a run's journal, rows and snapshot, written once and read by many."""
