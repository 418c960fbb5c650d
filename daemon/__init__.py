"""Decides, remembers and tells: the plan, the run, the store and the command line."""
