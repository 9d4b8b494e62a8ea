"""The registry of the cluster: the process that keeps names and groups for all nodes of a namespace.

An ordinary portable process. May import `_verbs` and below. Start reading at `registry.py`; a node reaches the registry
through `_kernel/cluster_client.py`.
"""
