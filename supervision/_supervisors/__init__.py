"""Supervisors: static, dynamic and partitioned ones, and supervised tasks.

May import `_children`. Start reading at `supervisor.py`, what users write; `supervisor_process.py` is the process of
every supervisor, `static_children.py` and `dynamic_children.py` say what each kind does with its children.
"""
