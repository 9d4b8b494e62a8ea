"""Scheduling: what the kernel needs of whoever runs a process (`Scheduler`), timers, and the ambient context.

May import `_values`. Knows no trio, no asyncio and no Temporal: the schedulers are in `_runtime`, in `testing` and in
`temporal_bridge`. Start reading at `scheduler.py`.
"""
