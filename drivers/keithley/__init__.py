"""Keithley source-measure units spoken to in SCPI."""
