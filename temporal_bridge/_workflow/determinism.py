"""What a durable process may not do, and what to do instead: the errors for what would not replay identically."""

from __future__ import annotations

import re
from types import CodeType, FrameType
from typing import Any, Final

from actors import INVALID, Error

_TIME: Final = "actors.now(), or actors.sleep, actors.after and actors.every to wait"
_RANDOM: Final = (
    "actors.uuid4() or actors.random_bytes(count); random.Random(seed) with a seed from these is fine too"
)
_OUTSIDE: Final = "a function (@app.function) that the process calls by actors.funcs.call"
_TASKS: Final = "actors.start_soon, Channel and select"

_SAFE: Final[tuple[tuple[str, str], ...]] = (
    # The first prefix that fits counts.
    ("the global variable", "a local variable, an argument, or a process that holds it"),
    ("time.", _TIME),
    ("datetime.", _TIME),
    ("asyncio.sleep", "actors.sleep"),
    ("asyncio.tasks.sleep", "actors.sleep"),
    ("trio.sleep", "actors.sleep"),
    ("random.", _RANDOM),
    ("secrets.", _RANDOM),
    ("uuid.", _RANDOM),
    ("os.urandom", _RANDOM),
    ("threading.", _TASKS),
    ("_thread.", _TASKS),
    ("concurrent.", _TASKS),
    ("multiprocessing.", _TASKS),
    ("asyncio.", _TASKS),
    ("trio.", f"{_TASKS}; for I/O {_OUTSIDE}"),
)


def safe_call(name: str) -> str:
    """What to use instead of a call that does not replay."""
    return next((safe for prefix, safe in _SAFE if name.startswith(prefix)), _OUTSIDE)


def offence(name: str, cause: BaseException | None = None, where: str = "") -> Error:
    """The error for a call that does not replay."""
    error = Error(
        f"{where}{name} may not be used in a durable process, because it would not be the same again on replay:"
        f" use {safe_call(name)}",
        kind=INVALID,
        details={"call": name},
    )
    error.__cause__ = cause
    return error


def foreign_await(coroutine: Any, trap: object) -> Error:
    """The error for awaiting what neither `actors` nor a channel provides, named by who waits for it."""
    frame: FrameType | None = None
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None) or frame
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    name = f"{type(trap).__module__}.{type(trap).__qualname__}"
    if frame is not None and _is_foreign(frame):
        code: CodeType = frame.f_code
        name = f"{frame.f_globals.get('__name__', '?')}.{code.co_qualname}"
    name = name.replace("asyncio.tasks.", "asyncio.").replace("_asyncio.", "asyncio.")
    return Error(
        f"a durable process can await only calls of `actors`, and this awaits {name}: use {safe_call(name)}",
        kind=INVALID,
        details={"awaited": name, "call": name},
    )


def _is_foreign(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in (
        "asyncio",
        "trio",
        "anyio",
        "temporalio",
    )


_RESTRICTED = re.compile(r"Cannot (?:access|use) (?P<name>[\w.]+(?:\.__call__)?)")
_TRIO_OUTSIDE = "must be called from async context"


def explained(error: Error) -> Error:
    """The error of a process, said better when it is about an offence against determinism."""
    cause = error.__cause__
    if cause is None:
        return error
    kind = type(cause).__name__
    if kind == "RestrictedWorkflowAccessError":
        match = _RESTRICTED.match(str(cause))
        name = match["name"].removesuffix(".__call__") if match is not None else str(cause)
        return offence(name, cause)
    if (kind == "RuntimeError" and _TRIO_OUTSIDE in str(cause)) or (
        kind == "AttributeError" and "'RunContext' object" in str(cause)
    ):
        return offence(_raiser(cause) or "trio", cause)
    if kind == "NotImplementedError" and (raiser := _raiser(cause)) is not None:
        return offence(raiser, cause)
    return error


def _raiser(error: BaseException) -> str | None:
    """The outermost foreign function in a traceback: what the user called."""
    traceback = error.__traceback__
    while traceback is not None:
        if _is_foreign(traceback.tb_frame):
            module = str(traceback.tb_frame.f_globals["__name__"])
            name = f"{module.partition('.')[0]}.{traceback.tb_frame.f_code.co_qualname}"
            return re.sub(r"\.BaseEventLoop\.|\._WorkflowInstanceImpl\.", ".", name)
        traceback = traceback.tb_next
    return None
