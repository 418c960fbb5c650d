"""From a station file to a rig that can be connected."""
