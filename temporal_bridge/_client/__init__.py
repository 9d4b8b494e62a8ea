"""The client side: how local processes and code outside start, signal, watch and end durable processes.

May import `_asyncio` and `_wire`. Start reading at `temporal_host.py`.
"""
