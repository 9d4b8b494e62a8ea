"""Applications and their services: what starts and stops together, in the order of its dependencies.

May import the other rooms of `supervision`. Start reading at `application.py`.
"""
