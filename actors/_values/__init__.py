"""Values: errors, PIDs, messages, events and durations. They are frozen, and nothing here waits or runs.

May import attrs and the standard library, and nothing else of `actors`. Start reading at `pid.py` and `events.py`;
`portable.py` lists the classes whose instances may travel.
"""
