"""The labels of texts as a user gives them: one label a text, or several."""

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from w2v_hs.checks import short
from w2v_hs.errors import OptionError


def label_sets(labels: Iterable[Any]) -> list[Collection[Any]]:
    """The labels of each text; `OptionError` for what is no list of labels or of their tuples."""
    if not isinstance(labels, Iterable):
        raise OptionError(f"y={short(labels)}: expected a list of labels, or of tuples of labels")
    sets: list[Collection[Any]] = []
    for place, each in enumerate(labels):
        if isinstance(each, np.ndarray) and each.ndim:
            raise OptionError(
                f"y[{place}] is an array, {short(each)}: expected a label, or a tuple or list of labels"
            )
        sets.append(each if isinstance(each, (tuple, list, set, frozenset)) else (each,))
    return sets
