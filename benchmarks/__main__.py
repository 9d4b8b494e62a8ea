"""Runs the measuring; `_program.py` has it."""

import signal
import sys

if __name__ == "__main__":
    interrupts = signal.signal(signal.SIGINT, signal.SIG_DFL)  # while it imports there is nothing to put away
    from benchmarks._program import main

    signal.signal(signal.SIGINT, interrupts)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
