"""The command `everproc`: what `actors.cli` is when it runs as a program, also as `python -m everproc`.

It is a package of its own because nothing may be imported before `main`: the others take a moment to import, in which
a Ctrl-C would be a traceback. Programs import `actors`, `supervision` and `temporal_bridge`.
"""

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """The program."""
    asked_for = signal.getsignal(signal.SIGINT)
    if asked_for is signal.default_int_handler:  # and not ignored, as in the background of a script
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends it: there is nothing to put away
    from actors.cli import run

    signal.signal(signal.SIGINT, asked_for)
    sys.exit(run())
