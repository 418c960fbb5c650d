"""LS variable-frequency drives."""
