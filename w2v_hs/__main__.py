"""The command `w2v-hs`, also `python -m w2v_hs`. A signal gives one line even during imports."""

import signal

from w2v_hs.termination import terminate


def main() -> None:
    """Run a command, see `cli`."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is usual:
            signal.signal(number, terminate)
    from w2v_hs import cli

    cli.main()


if __name__ == "__main__":
    main()
