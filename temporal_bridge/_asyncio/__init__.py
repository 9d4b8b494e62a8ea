"""The asyncio side: one thread whose loop runs Temporal's client and workers, and the portal to trio.

May import asyncio and trio. Start reading at `portal.py`.
"""
