"""ESPEC temperature chambers."""
