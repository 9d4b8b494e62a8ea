"""The wire: values as bytes, envelopes, outboxes and the window that drops repeated deliveries.

Shared by whatever carries messages between operating-system processes: cores, and Temporal's task queues and signals.
May import `_channels`, `_scheduling` and `_values`; knows no transport. Start reading at `envelopes.py`.
"""
