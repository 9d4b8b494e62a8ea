"""The observer: a page that shows the processes of a node as they live. Needs the extra `observe`.

    async with actors.Node("web") as node, observer(node) as url:
        print(url)

`_observer.py` is that block, `_application.py` what answers the browser and `_stream.py` what keeps it up to date,
`_guard.py` whom it answers, `_rows.py` what is told of each process. The page itself is in `page/`, as it is served.
"""

from actors.observer._observer import observer

__all__ = ["observer"]
