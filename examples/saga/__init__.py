"""A saga: a trip of three bookings, where the failure of one undoes those before it, the latest first.

`trip.py` is the durable process, `bookings.py` the functions that it calls, `__main__.py` runs some trips:

    python -m examples.saga
"""
