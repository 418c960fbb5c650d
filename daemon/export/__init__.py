"""A run as files that other programs read: Battery Data Format tables, a sidecar, the cycle table, the streams."""
