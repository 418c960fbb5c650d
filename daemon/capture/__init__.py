"""Records what goes over the cable of an instrument, so that it can be played again without it."""
