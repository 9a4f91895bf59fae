"""The command line `w2v-hs`: one module per family of commands.

`app` assembles the commands and turns errors into messages and exit codes, `parameters` holds what
commands share, `show` prints results. Commands import the rest of the package only when they run.
"""

from w2v_hs.cli.app import main

__all__ = ["main"]
