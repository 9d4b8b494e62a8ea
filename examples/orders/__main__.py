"""Runs the example; `program.py` has it."""

import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while it imports there is nothing to put away
    from examples.orders.program import main

    sys.exit(main())
