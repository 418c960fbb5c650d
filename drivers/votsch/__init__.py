"""Vötsch and Weiss temperature chambers."""
