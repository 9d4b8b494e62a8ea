"""Servers and state machines: gen_server and gen_statem.

May import `_supervisors` and `_children`. Start reading at `server.py`, what users write; `server_process.py` is the
process of a server, `server_loop.py` its loop, `machine_loop.py` the loop of a state machine.
"""
