"""LAUDA thermostats and chillers."""
