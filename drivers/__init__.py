"""How each instrument is spoken to: roles, errors, transports, one file a model. Knows no runs and no protocols."""
