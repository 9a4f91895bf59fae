"""A model described: figures as JSON can represent them, and as text for tables."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.model.model import Model
from w2v_hs.tree import entropy

_DEEPEST = 4  # levels of nested dicts that are shown


def summary(model: Model) -> dict[str, Any]:
    """See `Model.summary`."""
    vocabulary, tree = model.vocabulary, model.tree
    counts = vocabulary.counts
    kept = vocabulary.keep_probabilities(model.options.sample).astype(np.float64)
    of_tree = None
    if tree is not None:
        of_tree = {
            "kind": model.options.tree,
            "inner_nodes": tree.inner,
            "expected_length_bits": tree.expected_length(counts),
            "deepest_leaf": int(tree.lengths.max()),
        }
    return {
        "options": model.options.as_dict(),
        "vocabulary": {
            "words": len(vocabulary),
            "tokens": vocabulary.tokens,
            "entropy_bits": entropy(counts),
            # The loss of the relative frequencies alone, to compare with the losses.
            "unigram_loss_nats": entropy(counts * kept) * math.log(2),
        },
        "tree": of_tree,
        "losses": model.losses,
        "holdout_losses": model.holdout_losses,
        "provenance": model.provenance,
    }


def cell(value: object) -> str:
    """A value of a summary as text."""
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return ", ".join(map(cell, value)) if isinstance(value, list) else str(value)


def flat(name: str, value: object, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Nested dicts and lists as rows of name and text: "updates 1 corpus sha256", "0a1b..."."""
    members: Iterable[tuple[object, object]] | None = None
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list) and any(isinstance(member, dict | list) for member in value):
        members = enumerate(value, 1)
    if members is None:
        yield shown(name), shown(cell(value))
    elif depth == _DEEPEST:
        yield shown(name), "… more within"
    else:
        for key, member in members:
            yield from flat(f"{name} {key}".strip().replace("_", " "), member, depth + 1)
