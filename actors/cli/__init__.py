"""The command `everproc`.

The top of the package: it may import the rest of `actors`, click and rich, and nobody imports it. What only an upper
package can do comes from there as a layer of the manifest (`actors.manifest`) or as a command of the entry point group
`everproc.commands`. Start reading at `_main.py`, which has the list of the commands; `_client.py` speaks to nodes that
run, `_program.py` runs one.
"""

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """The program. What it needs is imported here, so that a Ctrl-C meanwhile is no traceback."""
    asked_for = signal.getsignal(signal.SIGINT)
    if asked_for is signal.default_int_handler:  # and not ignored, as in the background of a script
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends it: there is nothing to put away
    from actors.cli._main import run

    signal.signal(signal.SIGINT, asked_for)
    sys.exit(run())
