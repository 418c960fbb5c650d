"""What `daemon.engine` decides by: the state of a run, what ends its segments, and what comes then."""
