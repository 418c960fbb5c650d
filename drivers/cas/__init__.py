"""CAS weighing indicators."""
