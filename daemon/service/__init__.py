"""The long-running daemon: runs placed on rigs, waiting, edited, and how the command line asks."""
