"""Cycles: counted, remembered while a run goes on, and what pressure and resistance do in them."""
