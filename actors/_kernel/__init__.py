"""The process kernel: processes, routing, calls, links and monitors, names, groups, entries and exits.

Everything that is promised on every host is decided here, once. May import the rooms below (`_wire`, `_channels`,
`_scheduling`, `_values`) and no scheduler. Start reading at `kernel.py`, and follow a message: `find`, `deliver`, then
`_channels/mailbox.py`. `process.py` and `links_and_monitors.py` are the life and the exit of a process.
"""
