"""The search attributes that a durable process sets, checked before its workflow task could be refused for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from temporalio import workflow
from temporalio.common import SearchAttributeIndexedValueType

from temporal_bridge._wire.extern_functions import extern_function
from temporal_bridge._wire.search_attributes import Pairs, check_refused, kinds_of

REFUSED_ATTRIBUTES: Final = "everproc_refused_attributes"
"""The function that tells a workflow what would be refused."""


_REFUSED: Final = "everproc-refused-attributes"
"""Of the marks in a history that the process was given that error."""


class AttributeChecks:
    """The search attributes that one durable process sets, checked.

    What the server has now it may not have had, or have no more, when the history is replayed. So an error that a
    process was given is marked in its history, by patches of Temporal's: one that there was an error in this call, and
    one that says which.
    """

    def __init__(self) -> None:
        self._made = 0

    def check(self, pairs: Pairs, option: str) -> None:
        """Refuse what the server would refuse.

        Raises:
            Error: kind INVALID, naming the attribute and what to do.
        """
        self._made += 1
        given = kinds_of(pairs)
        mark = f"{_REFUSED}-{self._made}"
        if workflow.unsafe.is_replaying():
            refused = self._replayed(mark, given)
        else:
            ask = extern_function(REFUSED_ATTRIBUTES)
            refused = {} if ask is None else cast("dict[str, str]", ask(given))
            if refused:
                workflow.patched(mark)
            for name, kind in refused.items():
                workflow.patched(f"{mark}-{name}-{kind}")
        check_refused(workflow.info().namespace, pairs, refused, option)

    @staticmethod
    def _replayed(mark: str, given: Mapping[str, str]) -> dict[str, str]:
        if not workflow.patched(mark):
            return {}
        kinds = ["", *(kind.name for kind in SearchAttributeIndexedValueType)]
        return {name: kind for name in given for kind in kinds if workflow.patched(f"{mark}-{name}-{kind}")}
