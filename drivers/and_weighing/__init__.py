"""A&D weighing indicators."""
