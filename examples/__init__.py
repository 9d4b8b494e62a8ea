"""Programs to read, run and change. Each is a package of its own: `python -m examples.orders`."""
