"""Advantech input modules spoken to in their ASCII commands."""
