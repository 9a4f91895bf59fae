"""The command `w2v-hs`, or `python -m w2v_hs`; Ctrl-C is one line even while it imports."""

import sys


def main() -> None:
    """Run a command, see `cli`."""
    try:
        from w2v_hs.cli import main

        main()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
