"""What a supervisor is told about a child, and what it tells about its children."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal, Protocol, TypeGuard, cast, get_args

import attrs

from actors import INVALID, PID, Duration, Error, Spawner, Target, invalid, process_entry, register, seconds
from supervision._children.backoff import Backoff
from supervision._children.restart import AutoShutdown, Restart

Shutdown = Duration | Literal["brutal_kill", "infinity", "detach"]
"""How a child is stopped: asked, and terminated after that time; terminated at once; or asked and waited for.

A durable child may be detached: left running when its supervisor stops.
"""

Type = Literal["worker", "supervisor"]
Status = Literal["running", "restarting", "stopped"]


class Behaviour(Protocol):
    """Something that is run by a body of this package: a `Server` class, a supervisor.

    Its process tells whoever starts it when it is ready, so that a start returns no earlier.
    """

    def __supervision_body__(self, args: tuple[Any, ...]) -> tuple[Target, tuple[Any, ...]]:
        """The process function, and what it is called with."""
        ...

    def __supervision_type__(self) -> Type:
        """Whether it is a supervisor."""
        ...


def is_durable(on: str | None, start: object) -> bool:
    """Whether something is to run on a worker: what has no `on=` runs where it was declared for."""
    if on is None and (isinstance(start, str | type) or callable(start)):
        on = process_entry(cast(Target, start), "start").worker
    return on is not None and ":" in on  # as the ids of workers have, and no host in memory


def is_behaviour(start: object) -> TypeGuard[Behaviour]:
    """Whether it is one; a supervisor of many children asks often, and `isinstance` of a protocol is slow."""
    return hasattr(start, "__supervision_body__")


Start = Target | Behaviour
"""What a child can be: an async function, the id of an entry, a `Server` class, or a supervisor."""

_LEFT_OUT = cast(Any, None)


def arguments(name: str, given: Any) -> tuple[Any, ...]:
    """What is given as `name`, which is a tuple of arguments."""
    if not isinstance(given, tuple | list):
        raise invalid(name, given, f"a tuple of arguments, such as {name}=(5,)")
    return tuple(cast(tuple[Any, ...], given))


def _args(given: Any) -> tuple[Any, ...]:
    return arguments("args", given)


def _backoff(value: Backoff | Mapping[str, Any] | None) -> Backoff | None:
    if value is None or isinstance(value, Backoff):
        return value
    if not isinstance(value, Mapping):
        raise invalid("backoff", value, "a Backoff, or None for restarts without a wait")
    try:
        return Backoff(**value)
    except TypeError:
        raise invalid("backoff", value, "initial, max, factor, jitter and reset_after") from None


@attrs.frozen
class ChildSpec:
    """One child of a supervisor.

        ChildSpec("counter", Counter, args=(5,), restart="transient", shutdown="10s")

    Args:
        id: what the supervisor's other calls name it by; unique among its children.
        start: an async function, the id of an entry, a `Server` class, or a supervisor.
        args: what it is called with.
        on: the host it runs on; left out, as for `actors.spawn`.
        restart: `"permanent"` is always restarted, `"transient"` only after an abnormal end, `"temporary"` never.
        shutdown: how long it may take to stop when asked; or `"brutal_kill"`, or `"infinity"`. Left out, `"5s"`, and
            `"infinity"` for a supervisor, which must have the time to stop its own children. For a durable child also
            `"detach"`, and that when left out: its supervisor leaves it running when it stops itself. It has 5 seconds
            when it is stopped for another reason, such as `terminate_child`.
        type: `"worker"` or `"supervisor"`; left out, by `start`.
        significant: its own end may end the supervisor, see `auto_shutdown`.
        backoff: how long to wait before a restart; left out, not at all.
        name: registered while it runs. Of a durable child its workflow id, by which it is found again; left out, it is
            made of the supervisor's own name and `id`.
        options: for its host.
        wait_ready: a function counts as started when it calls `ready()`, not when it is spawned.

    Raises:
        Error: kind INVALID or NOT_FOUND, when an argument is not of that form.
    """

    id: Hashable
    start: Start
    args: tuple[Any, ...] = attrs.field(default=(), converter=_args)
    on: str | None = None
    restart: Restart = "permanent"
    shutdown: Shutdown = _LEFT_OUT
    type: Type = _LEFT_OUT
    significant: bool = False
    backoff: Backoff | None = attrs.field(default=None, converter=_backoff)
    name: str | None = None
    options: Mapping[str, Any] | None = None
    wait_ready: bool = False

    def __attrs_post_init__(self) -> None:
        _check_id(self.id)
        start = self.start
        if is_behaviour(start):
            kind = start.__supervision_type__()
        else:
            _or(lambda: process_entry(cast(Target, start), "start"), "a Server class, or a supervisor")
            kind = "worker"
        if self.type is _LEFT_OUT:
            object.__setattr__(self, "type", kind)
        if self.shutdown is _LEFT_OUT:
            usual = "infinity" if self.type == "supervisor" else "5s"
            object.__setattr__(self, "shutdown", "detach" if self.durable else usual)
        one_of("restart", self.restart, get_args(Restart))
        one_of("type", self.type, get_args(Type))
        if self.shutdown == "detach" and not self.durable:
            raise bad_combination(
                'shutdown="detach" is for a durable child, which can live without its supervisor: give it'
                ' on="a:worker", or declare it with worker='
            )
        if self.shutdown not in ("brutal_kill", "infinity", "detach"):
            _or(lambda: seconds(self.shutdown, "shutdown"), '"brutal_kill", or "infinity"')
        boolean("significant", self.significant)
        boolean("wait_ready", self.wait_ready)
        self.spawner()  # checks `on`, `name` and `options`
        if self.significant and self.restart == "permanent":
            raise bad_combination('significant=True needs restart="transient" or restart="temporary"')

    @property
    def durable(self) -> bool:
        """Whether it runs on a worker, and outlives this program: such a child is adopted, not owned."""
        return is_durable(self.on, self.start)

    def spawner(self) -> Spawner:
        """How its process is spawned."""
        return Spawner(self.name, self.on, {}, {} if self.options is None else self.options)

    def check_auto_shutdown(self, auto_shutdown: AutoShutdown) -> None:
        """Refuse a significant child where nothing is significant."""
        if self.significant and auto_shutdown == "never":
            raise bad_combination(
                f"child id={self.id!r} is significant, and its supervisor has auto_shutdown='never'"
            )


@register
@attrs.frozen
class Child:
    """A child as `which_children` shows it. `pid` is None unless its status is running."""

    id: Hashable
    pid: PID | None
    status: Status
    type: Type


@register
@attrs.frozen
class Counts:
    """How many specs a supervisor has, how many of them run, and how many are of each type, running or not."""

    specs: int
    active: int
    supervisors: int
    workers: int


def _or(check: Callable[[], object], more: str) -> None:
    """Check; where that fails, say what else can be given."""
    try:
        check()
    except Error as error:
        if error.kind != INVALID:
            raise
        raise Error(f"{error.message}; or {more}", kind=INVALID, details=error.details) from error


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Refuse what is none of the words."""
    if not isinstance(value, str) or value not in allowed:
        raise invalid(name, value, "one of " + ", ".join(f'"{word}"' for word in allowed))


def boolean(name: str, value: object) -> None:
    """Refuse what is not True or False."""
    if not isinstance(value, bool):
        raise invalid(name, value, "True or False")


def whole_number(name: str, value: object, least: int) -> None:
    """Refuse what is not a whole number of at least so much."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise invalid(name, value, f"a whole number of {least} or more")


def bad_combination(message: str) -> Error:
    """OTP's error for settings that do not go together."""
    return Error(message, kind=INVALID, details={"reason": "bad_combination"})


def _check_id(child: object) -> None:
    if child is None or child == "" or not isinstance(child, Hashable):
        raise invalid("id", child, "a name, a number, or another hashable value that is not None")
    try:
        hash(child)
    except TypeError:
        raise invalid("id", child, "a hashable value") from None
