"""Evaluation of one model: accuracy on analogy questions, correlation with human ratings.

Words missing from the vectors take items out of a test set, and an accuracy of 0.5 over 12 of
19,544 questions says little. So each figure comes with its counts and an interval.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from w2v_hs.evaluation.answering import MISSING, Int8
from w2v_hs.evaluation.protocol import Measured, Protocol, Way, measure, parts, vectors_of
from w2v_hs.evaluation.statistics import (
    RESAMPLES,
    Interval,
    bootstrap,
    pearson,
    percentiles,
    spearman,
    wilson,
)
from w2v_hs.evaluation.testsets import PairSet
from w2v_hs.types import Float64


@dataclass
class Result:
    """A result that can be written as JSON; an undefined figure is null, never NaN.

    `str` gives the tables that the command line prints; notebooks show them.
    """

    # Set by the package, so that imports run one way: the functions of `tables`.
    as_text: ClassVar[Callable[["Result"], str]]
    as_html: ClassVar[Callable[["Result"], str]]

    def __str__(self) -> str:
        return type(self).as_text(self)

    def _repr_html_(self) -> str:
        return type(self).as_html(self)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain lists, dicts, strings, numbers and None."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain

    def to_json(self) -> str:
        """Return `as_dict` as JSON."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False)


@dataclass
class Section:
    """Answers to a group of questions; a figure over no questions is None."""

    name: str
    correct: int
    seen: int  # questions all four words of which have a vector
    total: int
    accuracy: float | None  # correct / seen
    interval: Interval | None  # Wilson's score interval of the accuracy
    coverage: float | None  # seen / total


@dataclass
class Analogies(Section):
    """A whole set of questions, answered by one method among the most frequent words."""

    sections: list[Section]  # in the order of the file
    semantic: Section | None  # sections whose names do not begin with "gram" and a digit
    syntactic: Section | None  # those whose names do; both are None if there are none
    method: str  # "3cosadd" or "3cosmul"
    restrict_vocab: int | None  # None: all words
    case_insensitive: bool
    convention: str | None  # "word2vec.c" (30,000) or "gensim" (300,000), case ignored


@dataclass
class Similarity:
    """Correlation of cosines with human ratings; None if it is undefined."""

    name: str
    spearman: float | None
    spearman_interval: Interval | None  # percentiles of a bootstrap of the pairs
    pearson: float | None
    pearson_interval: Interval | None
    used: int  # pairs both words of which have a vector
    from_subwords: int  # words whose vector had to be composed of n-grams
    total: int
    coverage: float | None  # used / total
    columns: list[str] | None  # of the words and the rating; None: the file has no header


@dataclass
class Evaluation(Result):
    """The results by test set, and the options."""

    analogies: list[Analogies]  # by set, then by method, then by restriction
    similarity: list[Similarity]
    restrict_vocab: int | list[int | None] | None  # None: all words; a list: several were given
    case_insensitive: bool
    left_out_vectors: int  # zero or not finite: treated as out of vocabulary
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
    oov: str = "skip",
) -> Evaluation:
    """Answer sets of analogy questions, and correlate cosines with human ratings.

    "a is to b as c is to ?" is answered with the word, none of the three, of the highest cosine
    with b - a + c of unit vectors ("3cosadd"), or by products of cosines ("3cosmul", Levy and
    Goldberg 2014); see `answering`. Words whose vector is zero or not finite count as out of
    vocabulary; `left_out_vectors` is their number.

    Parameters
    ----------
    model_or_vectors
        A `Model` or `Vectors`.
    analogies
        Sets of questions, by name (see `testsets.SETS`) or by path. A file has four words a line
        and ": name" before each section; questions before the first such line form a section named
        after the file.
    similarity
        Sets of rated pairs, by name or by path. A file has two words and a number a line, separated
        by tabs, commas or white space, and "#" before a comment. Its first line may name the
        columns. A pair that occurs twice counts twice. Pairs use all words, in any case.
    restrict_vocab
        Only so many of the most frequent words are used in questions and answers; None or 0: all.
        Accuracies are comparable only at equal values: 30,000 is the convention of word2vec.c,
        300,000 the default of gensim. If several are given, each set is answered with each.
    case_insensitive
        Compare words in upper case. Of several forms of a word in the vocabulary the most frequent
        is used, and no form of a, b or c can be an answer.
    method
        "3cosadd" or "3cosmul". If both are given, each set is answered with each.
    columns
        The names of the columns of the first word, the second and the number, in files of pairs.
        Needed if there are more than three.
    confidence
        Level of the intervals: Wilson's for accuracies, percentiles of a bootstrap of the pairs for
        correlations.
    seed
        Of the bootstrap.
    oov
        Rated pairs with a word outside the vocabulary are left out ("skip"), or the word gets its
        vector from its n-grams ("subwords").

    Raises
    ------
    EvaluationError
        A file is missing, empty, not UTF-8, or has a malformed line or other columns; or a set
        known by name needs gensim, which is not installed.
    OptionError
        An option is outside its range, or the vectors have no subwords to take words from.
    TypeError
        The first argument is neither `Vectors` nor has an attribute `vectors` that is.
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
        oov=oov,
    )
    return summarise(measure(vectors, protocol), protocol)


def summarise(measured: Measured, protocol: Protocol) -> Evaluation:
    """The figures of one model from its answers."""
    limits = list(protocol.limits)
    return Evaluation(
        analogies=[
            _analogies(way, outcomes, protocol)
            for way, outcomes in zip(protocol.ways(), measured.outcomes, strict=True)
        ],
        similarity=[
            _similarity(rated, cosines, composed, protocol)
            for rated, cosines, composed in zip(
                protocol.pairs, measured.cosines, measured.from_subwords, strict=True
            )
        ],
        restrict_vocab=limits[0] if len(limits) == 1 else limits,
        case_insensitive=protocol.case_insensitive,
        left_out_vectors=measured.left_out_vectors,
        confidence=protocol.confidence,
        resamples=RESAMPLES,
        seed=protocol.seed,
    )


def _section(name: str, outcomes: Int8, confidence: float) -> Section:
    """The figures of a group of questions."""
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


def _analogies(way: Way, outcomes: Int8, protocol: Protocol) -> Analogies:
    """The figures of a set of questions, its sections and its parts."""
    asked, method, limit = way
    ends = np.cumsum([len(section) for _, section in asked.sections])
    by_section = np.split(outcomes, ends[:-1])
    names = [name for name, _ in asked.sections]
    totals = {
        name: _section(name, outcomes[which], protocol.confidence) for name, which in parts(asked).items()
    }
    return Analogies(
        **vars(_section(asked.name, outcomes, protocol.confidence)),
        sections=[
            _section(name, part, protocol.confidence) for name, part in zip(names, by_section, strict=True)
        ],
        semantic=totals.get("semantic"),
        syntactic=totals.get("syntactic"),
        method=method,
        restrict_vocab=limit,
        case_insensitive=protocol.case_insensitive,
        convention=protocol.convention(limit),
    )


def _similarity(rated: PairSet, cosines: Float64, composed: int, protocol: Protocol) -> Similarity:
    """The figures of a set of rated pairs."""
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
        from_subwords=composed,
        total=len(cosines),
        coverage=len(found) / len(cosines),
        columns=rated.columns,
    )
