"""The command line, `w2v-hs`: one module a family of commands.

`app` puts the commands together and turns errors into one line and an exit code. `show` prints
tables and JSON. Nothing heavy is imported before it is needed.
"""

from w2v_hs.cli.app import main

__all__ = ["main"]
