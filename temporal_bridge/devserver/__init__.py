"""The embedded Temporal server: its program, its directory, and the command `everproc server`.

Start reading at `server.py`.
"""
