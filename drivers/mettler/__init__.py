"""Mettler Toledo balances and indicators."""
