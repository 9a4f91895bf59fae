"""The protocol of an evaluation: options and test sets, and the answers of one model to them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from w2v_hs.checks import one_of, whole
from w2v_hs.errors import OptionError
from w2v_hs.evaluation import answering
from w2v_hs.evaluation.answering import METHODS, Int8, Usable
from w2v_hs.evaluation.statistics import Bool, check_confidence
from w2v_hs.evaluation.testsets import PairSet, QuestionSet, find_pairs, find_questions
from w2v_hs.types import Float64
from w2v_hs.vectors import Vectors

# Programs whose default is such a restriction of Google's questions; both ignore case.
OOV = ("skip", "subwords")  # what becomes of pairs with words outside the vocabulary
CONVENTIONS = {30_000: "word2vec.c", 300_000: "gensim"}
SYNTACTIC = re.compile(r"gram[0-9]")  # the beginning of the names of such sections in Google's set


class Way(NamedTuple):
    """One set of questions, answered by one method among the most frequent words."""

    asked: QuestionSet
    method: str
    limit: int | None  # words; None: all


@dataclass(frozen=True)
class Protocol:
    """The validated options of `w2v_hs.evaluate`, and the test sets."""

    questions: list[QuestionSet]
    pairs: list[PairSet]
    methods: tuple[str, ...]
    limits: tuple[int | None, ...]
    case_insensitive: bool
    confidence: float
    seed: int
    oov: str = "skip"

    @classmethod
    def of(
        cls,
        *,
        analogies: str | Path | Iterable[str | Path] = ("google",),
        similarity: str | Path | Iterable[str | Path] = ("wordsim353", "simlex999"),
        restrict_vocab: int | Iterable[int | None] | None = 30_000,
        case_insensitive: bool = True,
        method: str | Iterable[str] = "3cosadd",
        columns: tuple[str, str, str] | None = None,
        confidence: float = 0.95,
        seed: int = 1,
        oov: str = "skip",
    ) -> "Protocol":
        """Check the options and read all test sets first, so that an error shows at once."""
        methods, limits = tuple(_several(method)), tuple(map(_limit, _several(restrict_vocab)))
        if not methods or not all(one in METHODS for one in methods):
            raise OptionError(f"method is {method!r}; expected {' or '.join(METHODS)}")
        if not limits:
            raise OptionError("restrict_vocab is empty; expected a number of words, or several")
        if columns is not None and list(map(type, _several(columns))) != [str] * 3:
            raise OptionError(f"columns is {columns!r}; expected the names of three columns")
        confidence, seed = check_confidence(confidence), whole("seed", seed, 0)
        return cls(
            [find_questions(which) for which in _several(analogies)],
            [find_pairs(which, columns) for which in _several(similarity)],
            tuple(dict.fromkeys(methods)),
            tuple(dict.fromkeys(limits)),
            bool(case_insensitive),
            confidence,
            seed,
            one_of("oov", oov, OOV),
        )

    def ways(self) -> list[Way]:
        """Every set of questions with every method and restriction."""
        return [
            Way(asked, method, limit)
            for asked in self.questions
            for method in self.methods
            for limit in self.limits
        ]

    def convention(self, limit: int | None) -> str | None:
        """The program whose convention a restriction follows."""
        return CONVENTIONS.get(limit) if limit and self.case_insensitive else None


def _several(values: Any) -> Iterable[Any]:
    """A single value as a tuple of one, even a string, which is an iterable of letters."""
    single = isinstance(values, str | Path) or not isinstance(values, Iterable)
    return (values,) if single else values


def _limit(restrict_vocab: int | None) -> int | None:
    """A restriction as a number of words; None: all of them."""
    if restrict_vocab is None:
        return None
    return whole("restrict_vocab", restrict_vocab, 0) or None


@dataclass(frozen=True)
class Measured:
    """The answers of one model to all items of a protocol."""

    outcomes: list[Int8]  # for each of `Protocol.ways`, (questions,)
    cosines: list[Float64]  # for each set of pairs, (pairs,); NaN: no vector
    left_out_vectors: int
    from_subwords: list[int]  # for each set of pairs, how many words had to come from n-grams


def measure(vectors: Vectors, protocol: Protocol) -> Measured:
    """Answer all items of a protocol with one model."""
    usable = Usable.of(vectors, protocol.case_insensitive)
    wider, composed = usable, set[str]()
    if protocol.oov == "subwords":
        wider, composed = _with_subwords(usable, protocol)
    return Measured(
        [
            answering.outcomes(
                usable, [q for _, section in way.asked.sections for q in section], way.limit, way.method
            )
            for way in protocol.ways()
        ],
        [answering.cosines(wider, rated.pairs) for rated in protocol.pairs],
        len(vectors) - len(usable.rows),
        [len(composed & set(map(usable.fold, _words_of(rated)))) for rated in protocol.pairs],
    )


def _with_subwords(usable: Usable, protocol: Protocol) -> tuple[Usable, set[str]]:
    """The vectors with those of unknown words of rated pairs, from n-grams; these words, folded."""
    vectors = usable.vectors
    if vectors.subwords is None:
        raise OptionError("oov=subwords: these vectors have none; train with subwords, or use oov=skip")
    known = set(map(usable.fold, vectors.names))
    unknown = {usable.fold(word): word for rated in protocol.pairs for word in _words_of(rated)}
    words = [word for folded, word in unknown.items() if folded not in known]
    if protocol.case_insensitive and all(word == word.lower() for word in vectors.names):
        words = list(map(str.lower, words))  # n-grams with capitals were never seen
    wider = vectors.including(words)
    return Usable.of(wider, protocol.case_insensitive), set(map(usable.fold, wider.names[len(vectors) :]))


def _words_of(rated: PairSet) -> list[str]:
    return [word for pair in rated.pairs for word in (pair.a, pair.b)]


def vectors_of(model_or_vectors: object) -> Vectors:
    """The vectors of a model, or the argument itself; `TypeError` for anything else."""
    vectors = getattr(model_or_vectors, "vectors", model_or_vectors)
    if not isinstance(vectors, Vectors):
        raise TypeError(f"found {type(model_or_vectors).__name__}; expected a model or Vectors")
    return vectors


def parts(asked: QuestionSet) -> dict[str, Bool]:
    """Which questions are semantic and which syntactic, (Q,) bool each; empty if none is syntactic.

    As in compute-accuracy of word2vec.c, where they are sections 1-5 and 6-14 of Google's set.
    """
    syntactic = np.array([bool(SYNTACTIC.match(name)) for name, section in asked.sections for _ in section])
    return {"semantic": ~syntactic, "syntactic": syntactic} if syntactic.any() else {}
