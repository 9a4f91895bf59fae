"""The command `w2v-hs`, or `python -m w2v_hs`; Ctrl-C is one line even while it imports."""

import sys


def main() -> None:
    """Run a command, see `cli`."""
    try:
        from w2v_hs.cli.app import main

        main()
    except Exception as error:
        # Python 3.11 wraps what comes while a class is made.
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, KeyboardInterrupt):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        _stop()
    except KeyboardInterrupt:
        _stop()


def _stop() -> None:
    print("stopped", file=sys.stderr)
    sys.exit(130)


if __name__ == "__main__":
    main()
