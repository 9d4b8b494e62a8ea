"""Nodes of other programs: deliveries to them through the Temporal server, and the detector of their failures.

May import `_client` and below. Start reading at `nodes_host.py`.
"""
