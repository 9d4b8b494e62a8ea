"""A shop: one durable process per order, and a local dispatcher that starts them, approves and watches them.

    python -m examples.orders               # on a Temporal server of its own, with a worker that is killed halfway
    python -m examples.orders --in-memory   # the same processes, in this program alone

Start reading at `process.py`: the life of an order. Then `dispatcher.py`, who talks to it from another process;
`shop.py`, the functions that reach the outside world; `worker.py`, the OS process in which orders live, and its keeper;
`proof.py`, what has to be true at the end. `program.py` puts them together.
"""
