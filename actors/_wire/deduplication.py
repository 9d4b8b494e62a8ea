"""The window that drops repeated deliveries, so that retries are harmless (promise 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b

from actors._wire.envelopes import Envelope, SequenceNumber
from actors._wire.payloads import pack


class DedupWindow:
    """Which batches have come, by stream: each counts up, so that the last number says it all."""

    def __init__(self, last: Mapping[str, int] | None = None, most: int = 65536) -> None:
        self._last = dict(last or {})
        self._most = most

    def is_new(self, mark: SequenceNumber | None) -> bool:
        """Note a batch; False when it had come before. One without a mark is always new."""
        if mark is None:
            return True
        last = self._last.pop(mark.stream, 0)
        self._last[mark.stream] = max(last, mark.number)  # at the end: the stream used longest ago goes first
        if len(self._last) > self._most:
            del self._last[next(iter(self._last))]
        return mark.number > last

    def snapshot(self, most: int) -> dict[str, int]:
        """The last numbers of the streams used last, to go on with elsewhere."""
        return dict(list(self._last.items())[-most:])

    def last(self, stream: str) -> int:
        """The number of the last batch of a stream that has come; 0 before the first."""
        return self._last.get(stream, 0)


class _Stream:
    __slots__ = ("acked_through", "items", "rolled_back")

    def __init__(self) -> None:
        self.acked_through = 0
        self.items: dict[int, bytes] = {}
        self.rolled_back: Counter[bytes] = Counter()


class ReplayDedup:
    """Which deliveries have come to a node, so that none is taken twice and none is lost.

    Batches without a floor go by their number. Of the others each item is known by number and content from the floor
    on. An item with a known number and other content tells that the execution that sent the known one was rolled back:
    from there on the known ones are orphans, which are not taken again when they come under their new numbers.
    """

    def __init__(self, most: int = 65536) -> None:
        self._batches = DedupWindow(most=most)
        self._streams: dict[str, _Stream] = {}
        self._most = most

    def fresh(self, mark: SequenceNumber, items: list[Envelope]) -> list[bool]:
        """Note a batch: for each item whether it is to be taken."""
        if mark.acked_through is None:
            return [self._batches.is_new(mark)] * len(items)
        stream = self._streams.pop(mark.stream, None) or _Stream()
        self._streams[mark.stream] = stream  # at the end: the stream used longest ago goes first
        if len(self._streams) > self._most:
            del self._streams[next(iter(self._streams))]
        if mark.acked_through > stream.acked_through:
            stream.acked_through = mark.acked_through
            for number in [number for number in stream.items if number <= mark.acked_through]:
                del stream.items[number]
        return [
            self._is_fresh(stream, number, _digest(item)) for number, item in enumerate(items, mark.number)
        ]

    def _is_fresh(self, stream: _Stream, number: int, digest: bytes) -> bool:
        if number <= stream.acked_through:
            return False
        before = stream.items.get(number)
        if before == digest:
            return False
        if before is not None:
            for later in [later for later in stream.items if later >= number]:
                stream.rolled_back[stream.items.pop(later)] += 1
        stream.items[number] = digest
        if stream.rolled_back[digest]:
            stream.rolled_back[digest] -= 1
            return False
        return True


def _digest(item: Envelope) -> bytes:
    return blake2b(pack(list(item[:5])), digest_size=16).digest()
