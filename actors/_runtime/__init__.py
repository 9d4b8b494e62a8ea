"""The runtime: the node, and the two schedulers that run its processes: trio and green.

The only room besides the tools above it that imports trio. Start reading at `node.py`; `trio_scheduler.py` runs a
process as a trio task, `green_scheduler.py` and `trampoline.py` run many processes in one trio task.
"""
