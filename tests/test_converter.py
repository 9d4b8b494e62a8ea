"""Payloads: what travels, what is refused, and that nothing a stranger writes breaks the reader."""

from __future__ import annotations

import dataclasses
import enum
import subprocess
import sys
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType, SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import attrs
import msgpack
import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from actors import INVALID, PID, Cancel, Error, Exit, LinkDown, MonitorRef, Result, register
from actors.funcs import FunctionInfo
from actors.wire import DEEPEST, pack, unpack
from temporal_bridge._wire.converter import (
    LARGEST,
    JSONConverter,
    MsgpackConverter,
    PlainJSON,
    payload_size,
    read_values,
)

HERE = PID("web.k3x9", "trio", "17")
REF = MonitorRef(HERE, 3)


@register
class Color(enum.Enum):
    RED = "red"
    BLUE = 2


@register
class Level(enum.IntEnum):
    LOW = 1


@register
@attrs.frozen
class Point:
    x: int
    y: int = 0
    _hidden: str = "h"
    norm: int = attrs.field(init=False, default=7)


@register
@attrs.define
class Line:
    ends: tuple[Point, Point]
    color: Color = Color.RED


@attrs.frozen
class Unregistered:
    x: int


VALUES = [
    *(
        None,
        True,
        False,
        0,
        -1,
        2**63,
        2**64,
        -(2**63) - 1,
        10**400,
        1.5,
        float("inf"),
        "",
        "ü\x00😀",
        b"",
        b"\xff",
    ),
    *(
        [],
        [1, [2, [3]]],
        {},
        {"a": 1},
        {1: "x", (1, 2): None, None: 3},
        (),
        (1,),
        (1, (2, ())),
        [(1, 2), {3}],
    ),
    *(set(), {1, 2, "x"}, frozenset({(1, 2)}), {2**70, -(2**70)}, {"big": 2**70, "list": [2**70, (2**80,)]}),
    *(datetime(2026, 1, 2, 3, 4, 5, 6), datetime(2026, 1, 2, tzinfo=UTC), date(2026, 2, 28)),  # noqa: DTZ001
    datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    *(
        timedelta.max,
        timedelta.min,
        timedelta(microseconds=1),
        Decimal("1.10"),
        Decimal("-0"),
        Decimal("Infinity"),
    ),
    *(uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), HERE, Color.RED, Color.BLUE, Level.LOW),
    *(Point(1, 2), Line((Point(1), Point(2, 3, "other")), Color.BLUE), [Point(2**70)]),
    *(
        REF,
        Result(5),
        Exit(HERE, REF, "normal", Result(Point(1))),
        Cancel(None, "x", datetime(2026, 1, 1, tzinfo=UTC)),
    ),
    FunctionInfo("app:f", "1", 2),
]


@pytest.mark.parametrize(
    "value", VALUES, ids=[f"{number}-{type(value).__name__}" for number, value in enumerate(VALUES)]
)
def test_value_comes_back_equal_and_of_its_type(value: Any) -> None:
    found = unpack(pack(value))
    assert found == value
    assert type(found) is type(value)
    for converter in (MsgpackConverter(), JSONConverter()):
        (again,) = converter.from_payloads(converter.to_payloads([value]))
        assert again == value
        assert type(again) is type(value)


def test_errors_travel_with_their_causes_and_without_their_class() -> None:
    class Own(Error):
        pass

    error = Own("no", kind="CONFLICT", retryable=True, details={"a": (1, {2})})
    error.__cause__ = ValueError("deep")
    found = unpack(pack(LinkDown(HERE, "error", Result(error=error))))
    assert type(found.result.error) is Error
    assert (found.result.error.kind, found.result.error.retryable) == ("CONFLICT", True)
    assert found.result.error.details == {"a": (1, {2})}
    assert isinstance(found.result.error.__cause__, Error)
    assert found.result.error.__cause__.message == "ValueError: deep"


def test_mappings_of_other_types_arrive_as_dicts() -> None:
    for value in (MappingProxyType({"a": 2**70}), OrderedDict(a=2**70)):
        assert unpack(pack({"inner": value})) == {"inner": {"a": 2**70}}
        assert isinstance(value, Mapping)


def test_sets_are_written_the_same_whatever_their_order() -> None:
    assert pack({"a", "b", "c", (1, 2)}) == pack({(1, 2), "c", "b", "a"})


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


class Text(str):
    __slots__ = ()


def recursive() -> list[Any]:
    value: list[Any] = [2**70]
    value.append(value)
    return value


REFUSED: list[tuple[Any, str]] = [
    (object(), "a value of type object cannot be serialised, value=<object"),
    ({"deep": [object()]}, "a value of type object cannot be serialised, value=<object"),
    (lambda: 1, "a value of type function cannot be serialised"),
    (
        Unregistered(1),
        "a value of type Unregistered cannot be serialised, value=Unregistered(x=1): send plain values",
    ),
    (time(1, 2), "a value of type time cannot be serialised"),
    (1j, "a value of type complex cannot be serialised"),
    (Text("x"), "a value of type Text cannot be serialised"),
    (ValueError("x"), "a value of type ValueError cannot be serialised"),
    (int, "a value of type type cannot be serialised"),
    (range(3), "a value of type range cannot be serialised"),
    (iter([1]), "a value of type list_iterator cannot be serialised"),
    (nested(3000), "a value cannot be serialised: "),
    (recursive(), "a value cannot be serialised: "),
]


@pytest.mark.parametrize(("value", "text"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_value_that_cannot_travel_is_refused_by_name(value: Any, text: str) -> None:
    for write in (pack, MsgpackConverter().to_payload, JSONConverter().to_payload):
        with pytest.raises(Error) as raised:
            write(value)
        assert raised.value.kind == INVALID
        assert raised.value.message.startswith(text)


def ext(code: int, data: bytes) -> bytes:
    packed: bytes = msgpack.packb(msgpack.ExtType(code, data))
    return packed


DAMAGED = [
    b"",
    b"\xc1",
    b"\x93\x01",
    b"\xa5abc",
    b"\x01\x02",
    ext(1, pack("no pid")),
    ext(1, pack(5)),
    ext(2, pack("yesterday")),
    ext(3, pack([1] * 9)),
    ext(4, pack("one")),
    ext(5, pack(b"short")),
    ext(6, pack([[1]])),
    ext(8, pack(5)),
    ext(10, pack("x" * 10)),
    ext(11, pack(["m", "WRONG", None, {}, None])),
    ext(11, pack("x")),
    ext(20, pack(["nobody:Knows", 1])),
    ext(20, pack([f"{Color.__module__}:Color", "green"])),
    ext(21, pack(["nobody:Knows", {}])),
    ext(21, pack([f"{Point.__module__}:Point", {"z": 1}])),
    ext(21, pack([f"{Point.__module__}:Point", 5])),
    ext(77, b"x"),
    *(b"\x91" * 5000, b"\xdd\xff\xff\xff\xff", b"\xdf\x00\x00\x00\x01\x90\x01"),
]


@pytest.mark.parametrize("data", DAMAGED, ids=lambda data: repr(data)[:90])
def test_damaged_payload_is_an_error_that_says_so(data: bytes) -> None:
    payload = Payload(metadata={"encoding": b"binary/msgpack"}, data=data)
    with pytest.raises(Error) as raised:
        MsgpackConverter().from_payload(payload)
    assert raised.value.kind == INVALID


def test_text_that_is_no_unicode_is_refused_by_msgpack() -> None:
    with pytest.raises(Error, match="surrogates not allowed"):
        pack("\ud800")


def test_only_enums_and_classes_made_of_their_fields_are_registered() -> None:
    for wrong in (int, "Point", Point(1), None):
        with pytest.raises(Error, match="expected an enum, or a class that is made of its fields"):
            register(wrong)  # type: ignore[arg-type]
    assert register(Point) is Point


def test_json_converter_writes_json_only_where_that_is_exact() -> None:
    converter = JSONConverter()

    def encoding(value: Any) -> bytes:
        return converter.to_payload(value).metadata["encoding"]

    exact: list[Any] = [*("x", 1, 2**80, 1.5, True), [1, {"a": None}], {"a": [1]}]
    for value in exact:
        assert encoding(value) == b"json/plain"
    others: list[Any] = [(1, 2), {1: 2}, {"a": (1,)}, {1}, HERE, Level.LOW, float("inf"), OrderedDict(a=1)]
    for value in others:
        assert encoding(value) == b"binary/msgpack"
    assert (encoding(None), encoding(b"x")) == (b"binary/null", b"binary/plain")


def test_what_other_tools_write_is_read() -> None:
    for converter in (MsgpackConverter(), JSONConverter()):
        json = Payload(metadata={"encoding": b"json/plain"}, data=b'{"x": [1, null]}')
        assert converter.from_payload(json) == {"x": [1, None]}
        written = converter.to_payload(PlainJSON({"a": [1]}))
        assert (written.metadata["encoding"], written.data) == (b"json/plain", b'{"a":[1]}')


def test_payload_larger_than_the_server_takes_is_refused_with_both_sizes() -> None:
    converter = MsgpackConverter()
    assert payload_size(converter, ["x" * 1000], "the value") > 1000
    with pytest.raises(Error, match=r"takes 3\d{6} bytes, more than the 2031616 that Temporal") as raised:
        payload_size(converter, ["x" * 3_000_000], "the value")
    assert raised.value.details["largest"] == LARGEST


class Pair(NamedTuple):
    left: int
    right: Any = None


@dataclasses.dataclass(frozen=True)
class Item:
    name: str
    price: Decimal
    tags: list[str] = dataclasses.field(default_factory=list)
    seen: int = dataclasses.field(default=0, init=False)


class Model:
    """As a pydantic model: what the codec asks of one."""

    model_fields: ClassVar[dict[str, Any]] = {"a": None, "b": None}
    __pydantic_extra__: dict[str, Any] | None

    def __init__(self, **fields: Any) -> None:
        self.a, self.b = fields.get("a"), fields.get("b", 0)
        self.model_fields_set = set(fields)
        self.__pydantic_extra__ = None

    @classmethod
    def model_construct(cls, _fields_set: set[str], **fields: Any) -> Model:
        made = cls(**fields)
        made.model_fields_set = _fields_set
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class Struct:
    """As a msgspec struct."""

    __struct_fields__ = ("a", "b")

    def __init__(self, a: Any, b: Any = 0) -> None:
        self.a, self.b = a, b

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Struct) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


MADE_OF_FIELDS = [
    Pair(1, (2, {3})),
    Item("x", Decimal("1.10"), ["a"]),
    Struct(Pair(1)),
    Model(a=datetime(2026, 1, 1, tzinfo=UTC)),
]


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules in the place of pydantic and msgspec, whether they are installed or not."""
    monkeypatch.setitem(sys.modules, "pydantic", SimpleNamespace(BaseModel=Model))
    monkeypatch.setitem(sys.modules, "msgspec", SimpleNamespace(Struct=Struct))


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("value", MADE_OF_FIELDS, ids=lambda value: type(value).__name__)
def test_instance_of_a_class_made_of_its_fields_comes_back_equal_and_of_its_type(value: Any) -> None:
    for cls in (type(value), Pair):
        register(cls)
    for found in (
        unpack(pack([value])),
        *(
            converter.from_payloads(converter.to_payloads([[value]]))[0]
            for converter in (JSONConverter(), MsgpackConverter())
        ),
    ):
        assert found == [value]
        assert type(found[0]) is type(value)


def test_no_library_of_classes_is_imported_to_register_one() -> None:
    code = "import sys, enum, actors; actors.register(enum.Enum('E', 'A')); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pydantic", "msgspec"} & set(done.stdout.split())


def test_class_whose_constructor_wants_more_than_its_fields_is_refused() -> None:
    @dataclasses.dataclass
    class Wants:
        field: int
        more: dataclasses.InitVar[int]

        def __post_init__(self, more: int) -> None:
            self.field += more

    with pytest.raises(Error, match="whose constructor wants nothing else"):
        register(Wants)


def of_tuples(levels: int) -> Any:
    value: Any = ()
    for _ in range(levels - 1):
        value = (value,)
    return value


def of_lists(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def of_tables(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def of_items(levels: int) -> Any:
    value: Any = ()
    for _ in range(levels - 1):
        value = Pair(1, value)
    return value


@pytest.mark.parametrize("make", [of_tuples, of_lists, of_tables, of_items])
def test_depth_of_a_value_is_limited_to_the_same_number_on_both_sides(make: Any) -> None:
    register(Pair)
    for converter in (JSONConverter(), MsgpackConverter()):
        payload_size(converter, [make(DEEPEST)], "x")
        raw = [RawValue(payload) for payload in converter.to_payloads([make(DEEPEST)])]
        assert read_values(converter, raw) == [make(DEEPEST)]
        with pytest.raises(Error, match="nested in more than 128 levels"):
            payload_size(converter, [make(DEEPEST + 1)], "x")
        raw = [RawValue(payload) for payload in converter.to_payloads([make(DEEPEST + 1)])]
        with pytest.raises(Error, match="nested in more than 128 levels"):
            read_values(converter, raw)


@pytest.mark.parametrize("levels", [200, 600, 3000])
def test_bytes_that_are_nested_more_deeply_do_not_overrun_the_stack(levels: int) -> None:
    data = b"\xc0"
    for _ in range(levels):
        inner = b"\x91" + data
        data = b"\xc9" + len(inner).to_bytes(4, "big") + b"\x08" + inner
    found: list[str] = []

    def read() -> None:
        try:
            unpack(data)
        except Error as error:
            found.append(error.kind)

    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=read)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert found == [INVALID]


def test_chain_of_causes_of_any_length_travels_cut_and_circles_end() -> None:
    first = error = Error("0", kind="CONFLICT")
    for number in range(1, 300):
        error.__cause__ = Error(str(number))
        error = error.__cause__
    error.__cause__ = first
    found, chain = unpack(pack(first)), []
    while found is not None:
        chain.append(found.message)
        found = found.__cause__
    assert chain == [str(number) for number in range(20)]


def test_large_error_travels_shortened_with_its_kind_and_what_cannot_be_written_as_text() -> None:
    details = {
        "big": "x" * 100_000,
        "small": 1,
        "odd": object,
        "half": "\ud800",
        **{str(i): i for i in range(50)},
    }
    error = Error("\ud800" + "y" * 100_000, kind="CONFLICT", retryable=True, details=details)
    found = unpack(pack(error))
    assert (found.kind, found.retryable) == ("CONFLICT", True)
    assert found.message.startswith("?yyy")
    assert found.message.endswith("bytes more")
    assert found.details["small"] == 1
    assert found.details["odd"] == "<class 'object'>"
    assert len(pack(error)) < 64 * 1024
