"""How well a text classifier predicts labels that are known."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2v_hs.checks import short, whole
from w2v_hs.classifier.text.label_sets import label_sets
from w2v_hs.classifier.text.model import TextModel
from w2v_hs.errors import OptionError


@dataclass(frozen=True)
class TextEvaluation:
    """Scores of a classifier on texts with labels, precision and recall as in fastText's `test`.

    Attributes
    ----------
    texts : int
        Number of texts.
    labels : int
        Number of their labels.
    unknown_labels : int
        How many of these the classifier does not know: it never predicts them.
    k : int
        Number of labels that are predicted for each text.
    precision : float
        Share of the predicted labels that are among those of their text.
    recall : float
        Share of the labels that are predicted.
    log_loss : float or None
        Mean -log P(label | text) of all known labels, in nats; None if there is none.
    """

    texts: int
    labels: int
    unknown_labels: int
    k: int
    precision: float
    recall: float
    log_loss: float | None


def evaluate(model: TextModel, texts: Iterable[Any], labels: Iterable[Any], k: int = 1) -> TextEvaluation:
    """Score a classifier on texts and the label, or the tuple of labels, of each.

    A label that is an int and the str of its digits are the same. `OptionError` if there are no
    texts, or not as many labels.
    """
    sets = [set(map(str, each)) for each in label_sets(labels)]
    k = min(whole("k", k, 1), len(model.labels))
    hidden = model.hidden(texts)
    if not sets or len(sets) != len(hidden):
        raise OptionError(f"{len(hidden)} texts, {len(sets)} labels: expected as many, one at least")
    best, _ = model.best(hidden, k)
    names = list(map(str, model.labels.tolist()))
    hits = sum(
        names[number] in of_text
        for of_text, found in zip(sets, best.tolist(), strict=True)
        for number in found
    )
    number = {name: i for i, name in enumerate(names)}
    known = [(i, number[label]) for i, of_text in enumerate(sets) for label in of_text if label in number]
    total, loss = sum(map(len, sets)), None
    if known:
        rows, ids = np.array(known, np.int64).T
        loss = -float(model.log_probs_of(hidden[rows], ids).mean())
    return TextEvaluation(
        len(sets), total, total - len(known), k, hits / (k * len(sets)), hits / max(1, total), loss
    )


def accuracy(found: list[Any], labels: Iterable[Any], sample_weight: npt.ArrayLike | None) -> float:
    """The share of texts, by weight, whose label found is theirs, or one of theirs."""
    sets = label_sets(labels)
    if not sets or len(sets) != len(found):
        raise OptionError(f"{len(found)} texts, {len(sets)} labels: expected as many, one at least")
    hits = [label in of_text for label, of_text in zip(found, sets, strict=True)]
    try:
        weights = np.asarray(np.ones(len(hits)) if sample_weight is None else sample_weight, np.float64)
        fit = weights.shape == (len(hits),) and bool((weights >= 0).all()) and 0 < weights.sum() < math.inf
    except (TypeError, ValueError):
        fit = False
    if not fit:
        expected = f"{len(hits)} numbers of at least 0, not all of them 0"
        raise OptionError(f"sample_weight={short(sample_weight)}: expected {expected}")
    return float(np.average(np.array(hits, np.float64), weights=weights))
