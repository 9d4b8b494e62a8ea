"""The data converter of a client and its workers: payloads, failures, and the codec of the user."""

from __future__ import annotations

from typing import Final, Literal

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadCodec, PayloadConverter
from temporalio.exceptions import ApplicationError

from actors.wire import LONGEST_TEXT, MOST_CAUSES, short_text
from temporal_bridge._wire.codec import guarded
from temporal_bridge._wire.converter import JSONConverter, MsgpackConverter


def data_converter(
    converter: Literal["msgpack", "json"] = "json", codec: PayloadCodec | None = None
) -> DataConverter:
    """How payloads are written, and failures; all is read that either way writes."""
    return DataConverter(
        payload_converter_class=MsgpackConverter if converter == "msgpack" else JSONConverter,
        payload_codec=guarded(codec),
        # What a codec hides it is to hide in the messages of errors too.
        failure_converter_class=_EncodedFailureConverter if codec is not None else FailureConverter,
    )


class FailureConverter(DefaultFailureConverter):
    """Failures that the server takes, whatever was raised, and that can be read, whoever wrote them.

    Over its limits the server refuses the answer to a workflow task, which is tried again for ever.
    """

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        """As the SDK asks."""
        try:
            super().to_failure(exception, payload_converter, failure)
        except (ValueError, RecursionError) as error:  # half a character somewhere, or a chain without an end
            failure.Clear()
            failure.message = short_text(f"{type(exception).__name__}: {exception}")
            failure.application_failure_info.type = type(error).__name__
        _shorten(failure)

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:
        """As the SDK asks. What cannot be read of a failure is left out."""
        try:
            return super().from_failure(failure, payload_converter)
        except Exception:  # noqa: BLE001 - whatever a stranger's bytes lead to
            return ApplicationError(failure.message or "a failure that cannot be read")


class _EncodedFailureConverter(FailureConverter):
    def __init__(self) -> None:
        DefaultFailureConverter.__init__(self, encode_common_attributes=True)


_STACK: Final = LONGEST_TEXT


def _shorten(failure: Failure) -> None:
    each = failure
    for _ in range(MOST_CAUSES):
        each.message = short_text(each.message)
        each.stack_trace = short_text(each.stack_trace, _STACK)
        if not each.HasField("cause"):
            return
        each = each.cause
    each.ClearField("cause")
