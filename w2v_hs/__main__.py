"""The command `w2v-hs`, and `python -m w2v_hs`: Ctrl-C while modules are imported is one line too."""

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
