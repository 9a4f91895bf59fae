"""How good vectors are: answers to analogy questions, correlations with human ratings.

Every figure comes with its counts, for out-of-vocabulary words shrink a test set: an accuracy of
0.5 over 12 of 19,544 questions says little. It comes with an interval, too, for the same reason.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from w2v_hs.evaluation.answering import MISSING
from w2v_hs.evaluation.protocol import Measured, Protocol, measure, parts, vectors_of
from w2v_hs.evaluation.statistics import (
    RESAMPLES,
    Interval,
    bootstrap,
    pearson,
    percentiles,
    spearman,
    wilson,
)
from w2v_hs.evaluation.testsets import PairSet, QuestionSet


@dataclass
class Result:
    """What can be written as JSON; an undefined figure is null, never NaN."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain lists, dicts, strings, numbers and None."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain

    def to_json(self) -> str:
        """Return `as_dict` as JSON."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False)


@dataclass
class Section:
    """Answers to a group of questions. What cannot be said of no question is None."""

    name: str
    correct: int
    seen: int  # questions all four words of which have a vector
    total: int
    accuracy: float | None  # correct / seen
    interval: Interval | None  # Wilson's, of the accuracy
    coverage: float | None  # seen / total


@dataclass
class Analogies(Section):
    """A whole set of questions, answered in one way."""

    sections: list[Section]  # in the order of the file
    semantic: Section | None  # the sections whose names do not begin with "gram" and a digit
    syntactic: Section | None  # those that do; both None where there are none
    method: str  # "3cosadd" or "3cosmul"
    restrict_vocab: int | None  # None: all words
    case_insensitive: bool
    convention: str | None  # "word2vec.c" (30,000) or "gensim" (300,000), case ignored


@dataclass
class Similarity:
    """Correlation of cosines with human ratings; None where it is undefined."""

    name: str
    spearman: float | None
    spearman_interval: Interval | None  # percentiles of a bootstrap of the pairs
    pearson: float | None
    pearson_interval: Interval | None
    used: int  # pairs both words of which have a vector
    total: int
    coverage: float | None  # used / total
    columns: list[str] | None  # of the words and the rating, where the file has a header


@dataclass
class Evaluation(Result):
    """The results by test set, and what they were measured with."""

    analogies: list[Analogies]  # by set, then by method, then by restriction
    similarity: list[Similarity]
    restrict_vocab: int | list[int | None] | None  # None: all words; a list if several were given
    case_insensitive: bool
    left_out_vectors: int  # zero or not finite, treated as out of vocabulary
    confidence: float  # of every interval
    resamples: int  # of every bootstrap
    seed: int  # of every bootstrap


def evaluate(
    model_or_vectors: object,
    *,
    analogies: str | Path | Iterable[str | Path] = ("google",),
    similarity: str | Path | Iterable[str | Path] = ("wordsim353", "simlex999"),
    restrict_vocab: int | Sequence[int | None] | None = 30_000,
    case_insensitive: bool = True,
    method: str | Sequence[str] = "3cosadd",
    columns: tuple[str, str, str] | None = None,
    confidence: float = 0.95,
    seed: int = 1,
) -> Evaluation:
    """Answer sets of analogy questions, and correlate cosines with human ratings.

    Sets are given by name (see `testsets.SETS`) or by path. A file of questions has four words a
    line and ": name" before each section; questions before the first such line form a section named
    after the file. A file of pairs has two words and a number a line, separated by tabs, commas or
    white space, and "#" before a comment. Its first line may name the columns; `columns` says which
    of them hold the first word, the second and the number, and is needed where there are more than
    three.

    "a is to b as c is to ?" is answered with the word, none of the three, of the highest cosine
    with b - a + c of unit vectors ("3cosadd"), or by products of cosines ("3cosmul", Levy and
    Goldberg 2014); see `answering`. `restrict_vocab` keeps the analogies, words of the questions as
    well as answers, to that many most frequent words; None or 0 takes all. Figures are comparable
    only at equal values: 30,000 is the custom of word2vec.c, 300,000 the default of gensim. Several
    methods and restrictions may be given, and each set is answered in each way. The pairs use all
    words in any case; a pair that a file has twice counts twice.

    `case_insensitive` compares words in upper case; of several forms of a word in the vocabulary
    the most frequent is taken, and no form of a, b or c is an answer. Words whose vector is zero or
    not finite count as out of vocabulary, and `left_out_vectors` says how many there are.

    Intervals have the given `confidence`: Wilson's for accuracies, percentiles of a bootstrap of
    the pairs, drawn by `seed`, for correlations.

    Raises
    ------
    EvaluationError
        A file is missing, empty, not UTF-8, or has a line of another form, or not those columns.
    OptionError
        `restrict_vocab`, `method`, `columns`, `confidence` or `seed` is none of what is said above.
    TypeError
        The first argument is neither `Vectors` nor has them as its attribute `vectors`.
    """
    vectors = vectors_of(model_or_vectors)
    protocol = Protocol.of(
        analogies=analogies,
        similarity=similarity,
        restrict_vocab=restrict_vocab,
        case_insensitive=case_insensitive,
        method=method,
        columns=columns,
        confidence=confidence,
        seed=seed,
    )
    return summarise(measure(vectors, protocol), protocol)


def summarise(measured: Measured, protocol: Protocol) -> Evaluation:
    """Figures of one model by itself."""
    limits = list(protocol.limits)
    return Evaluation(
        analogies=[
            _analogies(way, outcomes, protocol)
            for way, outcomes in zip(protocol.ways(), measured.outcomes, strict=True)
        ],
        similarity=[
            _similarity(rated, cosines, protocol)
            for rated, cosines in zip(protocol.pairs, measured.cosines, strict=True)
        ],
        restrict_vocab=limits[0] if len(limits) == 1 else limits,
        case_insensitive=protocol.case_insensitive,
        left_out_vectors=measured.left_out_vectors,
        confidence=protocol.confidence,
        resamples=RESAMPLES,
        seed=protocol.seed,
    )


def _section(name: str, outcomes: np.ndarray, confidence: float) -> Section:
    seen, correct = int(np.sum(outcomes != MISSING)), int(np.sum(outcomes == 1))
    return Section(
        name,
        correct,
        seen,
        len(outcomes),
        accuracy=correct / seen if seen else None,
        interval=wilson(correct, seen, confidence),
        coverage=seen / len(outcomes) if len(outcomes) else None,
    )


def _analogies(
    way: tuple[QuestionSet, str, int | None], outcomes: np.ndarray, protocol: Protocol
) -> Analogies:
    asked, method, limit = way
    ends = np.cumsum([len(section) for _, section in asked.sections])
    by_section = np.split(outcomes, ends[:-1])
    names = [name for name, _ in asked.sections]
    totals = {
        name: _section(name, outcomes[which], protocol.confidence)
        for name, which in parts(asked).items()
    }
    return Analogies(
        **vars(_section(asked.name, outcomes, protocol.confidence)),
        sections=[
            _section(name, part, protocol.confidence)
            for name, part in zip(names, by_section, strict=True)
        ],
        semantic=totals.get("semantic"),
        syntactic=totals.get("syntactic"),
        method=method,
        restrict_vocab=limit,
        case_insensitive=protocol.case_insensitive,
        convention=protocol.convention(limit),
    )


def _similarity(rated: PairSet, cosines: np.ndarray, protocol: Protocol) -> Similarity:
    used = np.isfinite(cosines)
    ratings, found = np.array([pair.rating for pair in rated.pairs])[used], cosines[used]
    figures: dict[str, tuple[float | None, Interval | None]] = {}
    for name, correlation in ("spearman", spearman), ("pearson", pearson):
        value = float(correlation(ratings, found)) if len(found) > 1 else np.nan
        figures[name] = None, None
        if np.isfinite(value):
            resampled = bootstrap(correlation, (ratings, found), protocol.seed)
            figures[name] = value, percentiles(resampled, protocol.confidence)
    return Similarity(
        rated.name,
        *figures["spearman"],
        *figures["pearson"],
        used=len(found),
        total=len(cosines),
        coverage=len(found) / len(cosines),
        columns=rated.columns,
    )
