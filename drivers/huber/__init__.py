"""Huber thermostats."""
