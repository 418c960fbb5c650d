"""Laumas weight transmitters."""
