"""Several models on the same test sets, and whether their differences are more than chance."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from w2v_hs.errors import OptionError
from w2v_hs.evaluation.answering import MISSING
from w2v_hs.evaluation.evaluation import Evaluation, Result, summarise
from w2v_hs.evaluation.protocol import Protocol, measure, parts, vectors_of
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

TESTS = {"accuracy": "McNemar, exact", "spearman": "paired bootstrap"}


@dataclass
class Standing:
    """One model's figure on the items that all models can answer."""

    model: str
    value: float | None  # accuracy or Spearman; None where it is undefined
    interval: Interval | None
    answered: int  # items that this model can answer, whatever the others can


@dataclass
class Difference:
    """Two models on the same items; None where it is undefined."""

    first: str
    second: str
    difference: float | None  # the figure of the second less that of the first
    interval: Interval | None  # percentiles of a bootstrap of the items
    p: float | None  # two-sided, of no difference
    p_holm: float | None  # adjusted by Holm for all pairs of models on this set
    only_first: int | None  # questions that the first alone has right; None for rated pairs
    only_second: int | None


@dataclass
class Compared:
    """All models on one set of questions (or its semantic or syntactic part) or of pairs."""

    name: str
    figure: str  # "accuracy" or "spearman"
    part: str | None  # "semantic", "syntactic"; None: the whole set
    method: str | None  # "3cosadd", "3cosmul"; None for rated pairs
    restrict_vocab: int | None
    convention: str | None
    used: int  # items that all models can answer: the figures are of these
    total: int
    test: str  # that p comes from
    models: list[Standing]  # in the order given
    differences: list[Difference]  # of each pair of models, in that order


@dataclass
class Comparison(Result):
    """The models side by side, and each by itself on all that it can answer."""

    models: list[str]
    compared: list[Compared]
    case_insensitive: bool
    confidence: float  # of every interval
    resamples: int  # of every bootstrap
    seed: int  # of every bootstrap
    evaluations: list[Evaluation]


def compare(
    models: Mapping[str, object] | Iterable[tuple[str, object]], **options: Any
) -> Comparison:
    """Evaluate several models on the items that all of them can answer, and test the differences.

    models: name to model or `Vectors`, as a dict or as (name, model) pairs. Of pairs from a
    generator, one model at a time is held. options: those of `evaluate`.

    Accuracies are compared by the exact McNemar test (1947) of the questions that only one of two
    models has right, Spearman's correlations by a paired bootstrap of the pairs; `p_holm` is Holm's
    (1979) adjustment for the number of pairs of models. Each model answers among its own most
    frequent words, so vocabularies of different size make a question easier for the smaller one.

    Raises
    ------
    EvaluationError, TypeError
        As `evaluate`.
    OptionError
        As `evaluate`; also where there are fewer than two models, or two of one name.
    """
    protocol = Protocol.of(**options)
    measured = {}
    for name, model in models.items() if isinstance(models, Mapping) else models:
        if name in measured:
            raise OptionError(f"two models are named {name!r}; expected a name for each")
        measured[name] = measure(vectors_of(model), protocol)
        del model  # before the next is read
    if len(measured) < 2:
        raise OptionError(f"found {len(measured)} model to compare; expected two or more")
    compared = []
    for number, (asked, method, limit) in enumerate(protocol.ways()):
        outcomes = {name: one.outcomes[number] for name, one in measured.items()}
        whole = np.ones(sum(len(section) for _, section in asked.sections), dtype=bool)
        about = (asked.name, method, limit)
        for part, which in (None, whole), *parts(asked).items():
            answers = {name: values[which] for name, values in outcomes.items()}
            compared.append(_questions(about, part, answers, protocol))
    for number, rated in enumerate(protocol.pairs):
        ratings = np.array([pair.rating for pair in rated.pairs])
        cosines = {name: one.cosines[number] for name, one in measured.items()}
        compared.append(_pairs(rated.name, ratings, cosines, protocol))
    return Comparison(
        list(measured),
        compared,
        protocol.case_insensitive,
        protocol.confidence,
        RESAMPLES,
        protocol.seed,
        [summarise(one, protocol) for one in measured.values()],
    )


def _questions(
    about: tuple[str, str, int | None],
    part: str | None,
    outcomes: dict[str, np.ndarray],
    protocol: Protocol,
) -> Compared:
    """Compare outcomes (Q,) by model."""
    name, method, limit = about
    known = np.all([values != MISSING for values in outcomes.values()], axis=0)
    right = {model: values[known] == 1 for model, values in outcomes.items()}
    used = int(known.sum())
    standings = [
        Standing(
            model,
            float(right[model].mean()) if used else None,
            wilson(int(right[model].sum()), used, protocol.confidence),
            int(np.sum(values != MISSING)),
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
        name,
        "accuracy",
        part,
        method,
        limit,
        protocol.convention(limit),
        used,
        len(known),
        TESTS["accuracy"],
        standings,
        differences,
    )


def _pairs(
    name: str, ratings: np.ndarray, cosines: dict[str, np.ndarray], protocol: Protocol
) -> Compared:
    """Compare cosines (P,) by model, with the ratings (P,)."""
    known = np.all([np.isfinite(values) for values in cosines.values()], axis=0)
    used, rated = int(known.sum()), ratings[known]
    values: dict[str, float | None] = {}
    resampled = {}
    for model, found in cosines.items():
        value = float(spearman(rated, found[known])) if used > 1 else np.nan
        values[model] = value if np.isfinite(value) else None
        if values[model] is not None:
            # Every model has the same seed, hence the same resamples: their differences are paired.
            resampled[model] = bootstrap(spearman, (rated, found[known]), protocol.seed)
    standings = [
        Standing(
            model,
            values[model],
            percentiles(resampled[model], protocol.confidence) if model in resampled else None,
            int(np.isfinite(found).sum()),
        )
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
        differences.append(Difference(first, second, difference, interval, p, None, None, None))
    _adjust(differences)
    return Compared(
        name,
        "spearman",
        None,
        None,
        None,
        None,
        used,
        len(known),
        TESTS["spearman"],
        standings,
        differences,
    )


def _adjust(differences: list[Difference]) -> None:
    for one, adjusted in zip(differences, holm([d.p for d in differences]), strict=True):
        one.p_holm = adjusted
