"""A durable process from the inside: everything that runs in a workflow, and is replayed.

Its one door to the worker is the extern functions (`_wire/extern_functions.py`): nothing here imports a client, a
thread or trio. Start reading at `durable_process.py`, the body of every workflow; `host.py` is how it reaches others.
"""
