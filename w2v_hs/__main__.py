"""The command `w2v-hs`, also `python -m w2v_hs`. A signal gives one line even during imports."""

import signal
import sys

from w2v_hs.termination import terminate


def main() -> None:
    """Run a command, see `cli`."""
    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, terminate)
        from w2v_hs import cli

        cli.main()
    except KeyboardInterrupt:
        _stop()
    except Exception as error:
        # Python 3.11 wraps an interrupt during the creation of a class in another exception.
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, KeyboardInterrupt):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        _stop()


def _stop() -> None:
    print("stopped", file=sys.stderr)
    sys.exit(130)


if __name__ == "__main__":
    main()
