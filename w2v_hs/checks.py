"""Checks of arguments, and values quoted in messages."""

import math
import numbers
import operator
import re
import shlex
import sys
import threading
import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeGuard, TypeVar

from w2v_hs.errors import OptionError

Choice = TypeVar("Choice")
NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def shown(name: object, most: int = 4096) -> str:
    """`str(name)` for a one-line message: cut after `most` characters, control ones escaped."""
    text = str(name)
    text = text if len(text) <= most else text[:most] + "…"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def quoted(name: object, most: int = 60) -> str:
    """As `shown`, in quotation marks: for a word or name within a message."""
    return f"'{shown(name, most)}'"


def short(value: object, most: int = 60) -> str:
    """A value as Python code, for a message of one line; cut after `most` characters."""
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # an int of thousands of digits; deep nesting
        text = f"a {type(value).__name__}"
    return shown(text, most)


def is_text(word: str) -> bool:
    """Whether a word can be in a file of text: it holds no NUL and no lone surrogate."""
    return word.isprintable() or not NOT_TEXT.search(word)  # the first is quick


_thread = threading.local()


@contextmanager
def warnings_kept() -> Iterator[list[str]]:
    """Keep the messages of `warn` in this thread, for a caller in another thread or process."""
    kept: list[str] = []
    _thread.kept = kept
    try:
        yield kept
    finally:
        _thread.kept = None


def warn(message: str, category: type[Warning] = UserWarning, within: tuple[str, ...] = ("w2v_hs.",)) -> None:
    """Warn, with the line of the user's code that called the package, or others that called it."""
    if (kept := getattr(_thread, "kept", None)) is not None:
        kept.append(message)
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(within):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


_on_command_line = False


def speak_command_line() -> None:
    """From now on spell options in messages as on the command line."""
    global _on_command_line
    _on_command_line = True


def option(name: str, value: str | int | None = None) -> str:
    """An option as the user gives it: ``--name value``, or ``name='value'`` in Python."""
    if _on_command_line:
        flag = f"--{name.replace('_', '-')}"
        return flag if value is None or isinstance(value, bool) else f"{flag} {value}"
    return name if value is None else f"{name}={value!r}"


def spoken(command: str, code: str) -> str:
    """What to do, as a command line or, in Python, as code."""
    return command if _on_command_line else code


def argument(path: object) -> str:
    """A path quoted for a shell; one that begins with ``-`` is not taken for an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def one_of(name: str, value: object, choices: Collection[Choice]) -> Choice:
    """Return the choice that equals `value` and has its type; `OptionError` if there is none."""
    for choice in choices:
        if isinstance(value, type(choice)) and value == choice:
            return choice
    expected = ", ".join(map(str, choices))
    raise OptionError(f"{name}={short(value)}: expected one of {expected}")


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value is an int, Python's or NumPy's; a bool is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_word(value: object) -> TypeGuard[str | int]:
    """Whether a value has the type of a word."""
    return isinstance(value, str) or is_integer(value)


def several(words: Any) -> list[Any]:
    """One word, or an iterable of words, as a list."""
    return [words] if isinstance(words, (str, bytes)) or not isinstance(words, Iterable) else list(words)


def whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Check that an argument is a whole number from `low` to `high`; return it as a plain int.

    An int or an integer of NumPy, but no bool; None: no upper limit. `OptionError` otherwise.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        limits = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise OptionError(f"{name}={short(value)}: expected a whole number {limits}")
    return number


def real(name: str, value: Any, low: float, high: float, limits: str) -> float:
    """Check that an argument is a finite number from `low` to `high`; return it as a plain float.

    Any real number, but no bool; else `OptionError`, whose message gives the range as `limits`.
    """
    try:
        real = isinstance(value, numbers.Real) and not isinstance(value, bool)
        number = float(value) if real else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or not low <= number <= high:
        raise OptionError(f"{name}={short(value)}: expected a finite number {limits}")
    return number


def has_repeats(words: list[str]) -> bool:
    """Whether a word occurs twice.

    Compares hashes first: sorted they take 8 bytes a word, a set of millions 70.
    """
    import numpy as np

    hashes = np.fromiter(map(hash, words), np.int64, len(words))
    hashes.sort()
    return bool((hashes[1:] == hashes[:-1]).any()) and len(set(words)) < len(words)
