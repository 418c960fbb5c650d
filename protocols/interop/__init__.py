"""Protocols of other programs to ours and back, text to text; what is lost on the way is told, never passed over."""
