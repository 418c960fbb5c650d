"""Rows of all streams: what they hold, and what decisions see of them."""
