"""Children: their specs, how they start, exit and restart, and the requests that supervisors answer.

The lowest room of `supervision`; may import public names of `actors`. Decisions are functions of plain values:
`restart.py`, `restart_intensity.py`, `backoff.py`. Start reading at `child_spec.py` and `start.py`.
"""
