"""Runs the command, as `python -m everproc`."""

from everproc import main

if __name__ == "__main__":
    main()
