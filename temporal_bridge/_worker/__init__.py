"""The worker: which entries it runs, its sandbox, its activities, and what it lends to workflows.

May import every other room. Start reading at `worker.py` and `run_worker.py`.
"""
