"""How a durable process reaches others: messages, children, watches, calls and functions, as commands of its workflow.

Start reading at `host.py`.
"""
