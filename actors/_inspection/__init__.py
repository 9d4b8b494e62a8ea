"""Inspection: the socket through which the command looks into a running program.

May import `_runtime` and below. Start reading at `control_server.py`; `control_verbs.py` has what can be asked,
`json_view.py` how it is written.
"""
