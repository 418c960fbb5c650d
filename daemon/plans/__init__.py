"""Plans: their order, their difference, and those that a run has had."""
