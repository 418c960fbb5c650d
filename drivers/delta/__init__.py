"""Delta variable-frequency drives."""
