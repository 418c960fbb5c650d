"""What scientists write: the protocol and cell files, their units, and errors that name file, line and column."""
