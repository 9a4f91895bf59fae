"""Checks of arguments, and values quoted in messages."""

import math
import numbers
import operator
import shlex
from collections.abc import Collection
from typing import Any

from w2v_hs.errors import OptionError


def shown(name: object, most: int = 4096) -> str:
    """A name or word fit for a message of one line: control characters escaped, cut to `most`."""
    text = str(name)
    text = text if len(text) <= most else text[:most] + "…"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def quoted(name: object, most: int = 60) -> str:
    """The same in quotation marks, for a word or name within a message."""
    return f"'{shown(name, most)}'"


def argument(path: object) -> str:
    """A path as a shell takes it for an argument, and no program for an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def one_of(name: str, value: object, choices: Collection[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise OptionError(f"{name}={_short(value)}: expected one of {', '.join(choices)}")
    return str(value)


def whole(name: str, value: Any, low: int, high: int) -> int:
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not low <= number <= high:
        raise OptionError(f"{name}={_short(value)}: expected a whole number from {low} to {high}")
    return number


def real(name: str, value: Any, low: float, high: float, limits: str) -> float:
    try:
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        number = float(value) if real else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or not low <= number <= high:
        raise OptionError(f"{name}={_short(value)}: expected a finite number {limits}")
    return number


def _short(value: object) -> str:
    """The value as in code, on one line that is not long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an int of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:60] + "…"


def whole_number(name: str, value: int, low: int) -> int:
    """`value` as an int; `OptionError` unless it is a whole number of at least `low`."""
    try:
        number = operator.index(value)  # takes the integers of NumPy, too
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < low:
        raise OptionError(f"{name} is {value!r}; expected a whole number of at least {low}")
    return number
