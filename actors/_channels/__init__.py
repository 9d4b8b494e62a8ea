"""Channels: queues that processes wait on, `select`, mailboxes with their topics, and dead letters.

May import `_scheduling` and `_values`. Start reading at `channel.py`; `waiters.py` is its wait queue, `mailbox.py`
decides which channel a message goes to.
"""
