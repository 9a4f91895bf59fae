"""Comparison of several models on the same test sets, with tests of their differences."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from w2v_hs.errors import OptionError
from w2v_hs.evaluation.answering import MISSING, Int8
from w2v_hs.evaluation.evaluation import Evaluation, Result, summarise
from w2v_hs.evaluation.protocol import Protocol, Way, measure, parts, vectors_of
from w2v_hs.evaluation.statistics import (
    RESAMPLES,
    Interval,
    bootstrap,
    bootstrap_p,
    holm,
    mcnemar,
    percentiles,
    resampled_difference,
    spearman,
    wilson,
)
from w2v_hs.evaluation.testsets import PairSet
from w2v_hs.types import Float64

TESTS = {"accuracy": "McNemar, exact", "spearman": "paired bootstrap"}


@dataclass
class Standing:
    """The figure of one model on the items that all models can answer."""

    model: str
    value: float | None  # accuracy or Spearman; None if it is undefined
    interval: Interval | None
    answered: int  # items that this model can answer, whether or not the others can


@dataclass
class Difference:
    """Two models on the same items; a figure is None if it is undefined."""

    first: str
    second: str
    difference: float | None  # the figure of the second minus that of the first
    interval: Interval | None  # percentiles of a bootstrap of the items
    p: float | None  # two-sided, under the hypothesis of no difference
    p_holm: float | None = None  # adjusted by Holm for all pairs of models on this set
    only_first: int | None = None  # questions that only the first has right; None for rated pairs
    only_second: int | None = None


@dataclass(kw_only=True)
class Compared:
    """All models on one set of pairs, or on one set of questions or a part of it."""

    name: str
    figure: str  # "accuracy" or "spearman"
    part: str | None = None  # "semantic", "syntactic"; None: the whole set
    method: str | None = None  # "3cosadd", "3cosmul"; None for rated pairs
    restrict_vocab: int | None = None
    convention: str | None = None
    used: int  # items that all models can answer: the figures are over these
    total: int
    test: str  # the test that gives p
    models: list[Standing]  # in the order given
    differences: list[Difference]  # of each pair of models, in that order


@dataclass
class Comparison(Result):
    """The models side by side, and each by itself on all items that it can answer."""

    models: list[str]
    compared: list[Compared]
    case_insensitive: bool
    confidence: float  # of every interval
    resamples: int  # of every bootstrap
    seed: int  # of every bootstrap
    evaluations: list[Evaluation]


def compare(models: Mapping[str, object] | Iterable[tuple[str, object]], **options: Any) -> Comparison:
    """Evaluate several models on the items that all of them can answer, and test the differences.

    Accuracies are compared by the exact McNemar test (1947) of the questions that only one of two
    models has right, Spearman's correlations by a paired bootstrap of the pairs; `p_holm` is
    adjusted for the number of pairs of models (Holm 1979). Each model answers among its own most
    frequent words, so a question is easier for a model with a smaller vocabulary.

    Parameters
    ----------
    models
        Names and models or `Vectors`, as a dict or as pairs. If a generator yields the pairs, one
        model at a time is in memory.
    options
        As in `evaluate`.

    Raises
    ------
    EvaluationError, TypeError
        As `evaluate`.
    OptionError
        As `evaluate`; or there are fewer than two models, or two with the same name.
    """
    protocol = Protocol.of(**options)
    measured = {}
    for name, model in models.items() if isinstance(models, Mapping) else models:
        if name in measured:
            raise OptionError(f"two models are named {name!r}; expected a name for each")
        measured[name] = measure(vectors_of(model), protocol)
        del model  # before a generator reads the next
    if len(measured) < 2:
        raise OptionError(f"found {len(measured)} model to compare; expected two or more")
    compared = []
    for number, way in enumerate(protocol.ways()):
        outcomes = {name: one.outcomes[number] for name, one in measured.items()}
        compared.append(_questions(way, None, outcomes, protocol))
        for part, which in parts(way.asked).items():
            answers = {name: values[which] for name, values in outcomes.items()}
            compared.append(_questions(way, part, answers, protocol))
    for number, rated in enumerate(protocol.pairs):
        cosines = {name: one.cosines[number] for name, one in measured.items()}
        compared.append(_pairs(rated, cosines, protocol))
    return Comparison(
        models=list(measured),
        compared=compared,
        case_insensitive=protocol.case_insensitive,
        confidence=protocol.confidence,
        resamples=RESAMPLES,
        seed=protocol.seed,
        evaluations=[summarise(one, protocol) for one in measured.values()],
    )


def _questions(way: Way, part: str | None, outcomes: dict[str, Int8], protocol: Protocol) -> Compared:
    """Compare the outcomes (Q,) of models."""
    known = np.all([values != MISSING for values in outcomes.values()], axis=0)
    right = {model: values[known] == 1 for model, values in outcomes.items()}
    used = int(known.sum())
    standings = [
        Standing(
            model,
            value=float(right[model].mean()) if used else None,
            interval=wilson(int(right[model].sum()), used, protocol.confidence),
            answered=int(np.sum(values != MISSING)),
        )
        for model, values in outcomes.items()
    ]
    differences = []
    for first, second in itertools.combinations(right, 2):
        a, b = right[first], right[second]
        only = int(np.sum(a & ~b)), int(np.sum(b & ~a))
        difference = interval = p = None
        if used:
            difference = (only[1] - only[0]) / used
            resampled = resampled_difference(a, b, protocol.seed)
            interval, p = percentiles(resampled, protocol.confidence), mcnemar(*only)
        differences.append(Difference(first, second, difference, interval, p, None, *only))
    _adjust(differences)
    return Compared(
        name=way.asked.name,
        figure="accuracy",
        part=part,
        method=way.method,
        restrict_vocab=way.limit,
        convention=protocol.convention(way.limit),
        used=used,
        total=len(known),
        test=TESTS["accuracy"],
        models=standings,
        differences=differences,
    )


def _pairs(rated: PairSet, cosines: dict[str, Float64], protocol: Protocol) -> Compared:
    """Compare the cosines (P,) of models."""
    known = np.all([np.isfinite(values) for values in cosines.values()], axis=0)
    used = int(known.sum())
    ratings = np.array([pair.rating for pair in rated.pairs])[known]
    values: dict[str, float | None] = {}
    resampled = {}
    for model, found in cosines.items():
        value = float(spearman(ratings, found[known])) if used > 1 else np.nan
        values[model] = value if np.isfinite(value) else None
        if values[model] is not None:
            # All models have the same seed, and so the same resamples: differences are paired.
            resampled[model] = bootstrap(spearman, (ratings, found[known]), protocol.seed)
    intervals = {model: percentiles(drawn, protocol.confidence) for model, drawn in resampled.items()}
    standings = [
        Standing(model, values[model], intervals.get(model), int(np.isfinite(found).sum()))
        for model, found in cosines.items()
    ]
    differences = []
    for first, second in itertools.combinations(cosines, 2):
        difference = interval = p = None
        one, other = values[first], values[second]
        if one is not None and other is not None:
            difference = other - one
            drawn = resampled[second] - resampled[first]
            interval, p = percentiles(drawn, protocol.confidence), bootstrap_p(drawn)
        differences.append(Difference(first, second, difference, interval, p))
    _adjust(differences)
    return Compared(
        name=rated.name,
        figure="spearman",
        used=used,
        total=len(known),
        test=TESTS["spearman"],
        models=standings,
        differences=differences,
    )


def _adjust(differences: list[Difference]) -> None:
    """Fill in `p_holm`."""
    for one, adjusted in zip(differences, holm([d.p for d in differences]), strict=True):
        one.p_holm = adjusted
