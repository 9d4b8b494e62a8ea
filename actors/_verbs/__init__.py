"""The verbs: the functions that act on the process that is running, and the spawner.

May import `_kernel` and below. Start reading at `api.py`; each verb checks its arguments and calls the kernel.
"""
