"""The wire of Temporal: envelopes as signals and headers, payload converters, failures, and start options.

Both sides of the sandbox wall use this room, so it imports no client, no thread and no trio. Start reading at
`items.py`; what travels is described in `actors/_wire`.
"""
