"""Reading a file of orders: one JSON object a line. A line that is none is reported and left out; the others count."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import actors
from examples.orders.process import Order

_EXAMPLE = '{"id": "1001", "customer": ..., "items": [{"sku": ..., "quantity": 1}], "total": 25.80, "card": ..., ...}'


def read_orders(path: Path, wait: str) -> tuple[list[Order], list[str]]:
    """The orders of a file, and one error for each line that is not an order.

    Args:
        path: the file.
        wait: the time between charging and shipping of an order that does not say.

    Raises:
        Error: kind INVALID, when the file cannot be read or has not one order.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise actors.Error(
            f"cannot read the orders: {path}: {error.strerror}", kind=actors.INVALID
        ) from error
    orders: dict[str, Order] = {}
    errors: list[str] = []
    for number, line in enumerate(lines, 1):
        try:
            if not line.strip():
                continue
            order = _order(line, wait)
            if order["id"] in orders:
                raise _Unfit(f"order id={order['id']!r} came before: expected each id once")
            orders[order["id"]] = order
        except _Unfit as error:
            errors.append(f"{path}, line {number}: {error}")
    if not orders:
        reason = "".join(f"\n{error}" for error in errors[:3]) or ": it is empty"
        raise actors.Error(f"there is no order in {path}{reason}", kind=actors.INVALID)
    return list(orders.values()), errors


class _Unfit(Exception):
    """What a line is not."""


def _order(line: bytes, wait: str) -> Order:
    try:
        value = json.loads(line.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # also what is not UTF-8, and numbers without end
        reason = (
            str(error) if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else "not readable"
        )
        raise _Unfit(f"expected a JSON object such as {_EXAMPLE}; {reason}") from None
    if isinstance(value, dict) and "wait" not in value:
        value["wait"] = wait
    return cast(Order, _object(_ORDER, optional={"approval_timeout"})(value, "order"))


def _no_number(constant: str) -> None:
    raise ValueError(constant)


# A check takes a value and its name, and returns the value in the form that processes use.
_Check = Callable[[Any, str], Any]


def _object(fields: Mapping[str, _Check], optional: set[str] | None = None) -> _Check:
    def check(value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _unfit(name, value, f"an object with {', '.join(fields)}")
        for field in value:
            if field not in fields:
                raise _unfit(f"{name} field", field, f"only the fields {', '.join(fields)}")
        for field in fields:
            if field not in value and field not in (optional or ()):
                raise _Unfit(f"{name} has no {field!r}: expected {', '.join(fields)}")
        return {field: fields[field](part, field) for field, part in value.items()}

    return check


def _items(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise _unfit(name, value, "a list of one or more items")
    return [_object({"sku": _text, "quantity": _quantity})(item, "item") for item in value]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > 200:
        raise _unfit(name, value, "a text of 1 to 200 printable characters")
    return value


def _matching(pattern: str, expected: str) -> _Check:
    def check(value: Any, name: str) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise _unfit(name, value, expected)
        return value

    return check


def _quantity(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= 10_000:
        raise _unfit(name, value, "a whole number from 1 to 10000")
    return value


def _amount(value: Any, name: str) -> Decimal:
    if not isinstance(value, int | Decimal) or isinstance(value, bool) or not 0 < value < 10_000_000:
        raise _unfit(name, value, "an amount such as 25.80")
    amount = Decimal(value)
    if amount != round(amount, 2):
        raise _unfit(name, value, "an amount with at most two decimals")
    return round(amount, 2)


def _duration(value: Any, name: str) -> str:
    try:
        actors.seconds(value, name)
    except actors.Error:
        raise _unfit(name, value, 'a duration such as "500ms", "2s" or "1h"') from None
    return str(value)


_ORDER: Mapping[str, _Check] = {
    "id": _matching(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", "letters, digits, '-' and '_'"),
    "customer": _text,
    "items": _items,
    "total": _amount,
    "card": _text,
    "shipping_address": _object(
        {"street": _text, "city": _text, "country": _matching("[A-Z]{2}", "a country code such as DE")}
    ),
    "wait": _duration,
    "approval_timeout": _duration,
}


def _unfit(name: str, value: Any, expected: str) -> _Unfit:
    shown = str(value) if isinstance(value, Decimal) else ascii(value)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    return _Unfit(f"{name}={shown}: expected {expected}")
