"""JULABO circulators and recirculating coolers."""
