"""Parsed JSON as the types that it was written from: nothing of another shape gets in."""

import math
from collections.abc import Collection, Set
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from w2v_hs.checks import short


def as_type(kind: Any, value: Any, name: str) -> Any:
    """A value of JSON as a type; `TypeError` or `ValueError`, which names it, if it is none.

    Types are str, int, bool, dict, None, float (finite; an int will do), lists of a type, unions,
    dataclasses, whose fields are those of a dict, and typed dicts, which may hold more than these.
    """
    if get_origin(kind) is UnionType:
        kinds = get_args(kind)
        return None if value is None and type(None) in kinds else as_type(kinds[0], value, name)
    if get_origin(kind) is list and isinstance(value, list):
        (of,) = get_args(kind)
        return [as_type(of, item, f"an item of {name}") for item in value]
    if is_typeddict(kind) and isinstance(value, dict):
        hints = get_type_hints(kind)
        _check_keys(name, kind.__required_keys__, value)
        return value | {key: as_type(hints[key], value[key], key) for key in hints.keys() & value.keys()}
    if is_dataclass(kind) and isinstance(value, dict):
        hints = get_type_hints(kind)
        needed = {each.name for each in fields(kind) if each.default is each.default_factory is MISSING}
        _check_keys(name, needed, value, hints.keys())
        return kind(**{key: as_type(hints[key], item, key) for key, item in value.items()})  # type: ignore[operator]
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if type(value) is (get_origin(kind) or kind):
        return value
    parts = is_typeddict(kind) or is_dataclass(kind)
    expected = "an object" if parts else (get_origin(kind) or kind).__name__
    raise TypeError(f"{name} is {short(value)}, expected {expected}")


def _check_keys(
    name: str, needed: Set[str], found: dict[str, Any], known: Collection[str] | None = None
) -> None:
    """Raise `TypeError` where an object lacks what it needs, or holds what is not known."""
    for key in sorted(needed - found.keys()):
        raise TypeError(f"{name} lacks {key!r}")
    for key in found:
        if known is not None and key not in known:
            raise TypeError(f"{name} holds {short(key)}; expected {', '.join(known)}")
