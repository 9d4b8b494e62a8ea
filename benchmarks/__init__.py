"""The figures of `docs/performance.md`: `python -m benchmarks --help`.

`_harness.py` is how they are measured: each sample in a fresh interpreter, ours and the peers' in turn, several rounds,
medians. Every other module is a family of figures; a new one joins by a `FIGURES` tuple and a line in `__main__.py`.
"""
