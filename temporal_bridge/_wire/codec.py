"""The user's codec, guarded: what it cannot open is one payload that is dropped, not a workflow that stands still.

The SDK opens all payloads of a workflow task before the workflow sees any. When the codec raises, the task fails and is
tried again. That is right while the codec is away, as when its keys are elsewhere; it never ends when somebody has sent
a payload that the codec did not write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec, SerializationContext, WithSerializationContext

UNOPENED: Final = b"binary/everproc-unopened"
"""The encoding of what stands for a payload that the codec cannot open; the data say why. Reading it is an error."""

_PROBE: Final = Payload(metadata={"encoding": b"binary/plain"}, data=b"everproc")


class GuardedCodec(PayloadCodec):
    """Opens what the user's codec opens; for the rest, puts what stands for it, unless the codec is away."""

    def __init__(self, codec: PayloadCodec) -> None:
        self.codec = codec

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """As the SDK asks."""
        return await self.codec.encode(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """As the SDK asks.

        Raises:
            Exception: what the codec raises while it is away: when the error comes from the system, as that of a
                connection does, or when it does not open either what it has just written.
        """
        try:
            return await self.codec.decode(payloads)
        except Exception as error:
            if _is_of_the_system(error):
                raise
            await self.codec.decode(await self.codec.encode([_PROBE]))
            if len(payloads) == 1:
                text = f"the codec cannot open it: {type(error).__name__}: {error!s:.200}"
                return [Payload(metadata={"encoding": UNOPENED}, data=text.encode(errors="replace"))]
        return [opened for payload in payloads for opened in await self.decode([payload])]


class GuardedContextCodec(GuardedCodec, WithSerializationContext):
    """As `GuardedCodec`, for a codec that wants to know what each payload is part of."""

    def with_context(self, context: SerializationContext) -> Self:
        """As the SDK asks."""
        assert isinstance(self.codec, WithSerializationContext)
        codec: object = self.codec.with_context(context)
        assert isinstance(codec, PayloadCodec)
        return type(self)(codec)


def guarded(codec: PayloadCodec | None) -> PayloadCodec | None:
    """A user's codec with the guard."""
    if codec is None:
        return None
    return GuardedContextCodec(codec) if isinstance(codec, WithSerializationContext) else GuardedCodec(codec)


def _is_of_the_system(error: BaseException) -> bool:
    cause: BaseException | None = error
    for _ in range(20):
        if cause is None:
            return False
        if isinstance(cause, OSError | TimeoutError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
