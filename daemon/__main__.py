"""`presscell`: the command line's way in."""

from daemon.cli import presscell


def main() -> None:
    """Run the command line."""
    presscell()


if __name__ == "__main__":
    main()
