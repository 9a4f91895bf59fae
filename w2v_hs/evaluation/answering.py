"""The answers of vectors to a test set: to each analogy question, and the cosine of each pair."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from w2v_hs.evaluation.testsets import Pair, Question
from w2v_hs.types import Float32, Float64, Int64
from w2v_hs.vectors import Vectors

Int8: TypeAlias = npt.NDArray[np.int8]
METHODS = ("3cosadd", "3cosmul")
MISSING = -1  # the outcome of a question one of whose words has no vector
# Levy and Goldberg (2014) use 0.001, gensim 1e-6; hardly any answer depends on it.
EPSILON = 1e-6
FLOOR = 1e-12  # a word opposite to b still ranks above the words that cannot be the answer


class BlockSize(NamedTuple):
    """How much `outcomes` computes at once."""

    # Questions and words whose scores are computed together: 1 MiB, which stays in the cache.
    questions: int = 256
    candidates: int = 1024
    table_values: int = 1 << 22  # cosines of the words of the questions with candidates: 16 MiB


DEFAULT_BLOCK = BlockSize()


@dataclass(frozen=True)
class Usable:
    """Vectors, and which of them can be used with a test set."""

    vectors: Vectors  # V words
    rows: Int64  # (U,) int64: those that have a direction, most frequent word first
    norms: Float64  # (V,) float64
    fold: Callable[[str], str]  # applied to words before they are compared

    @classmethod
    def of(cls, vectors: Vectors, case_insensitive: bool) -> "Usable":
        """Leave out the rows that are zero or not finite."""
        norms = np.sqrt(np.einsum("ij,ij->i", vectors.matrix, vectors.matrix, dtype=np.float64))
        rows = np.flatnonzero(np.isfinite(norms) & (norms > 0))
        return cls(vectors, rows, norms, str.upper if case_insensitive else str)

    def forms(self, asked: set[str], rows: Int64) -> dict[str, list[int]]:
        """The positions in `rows` of all forms of each asked word, most frequent first."""
        forms: dict[str, list[int]] = {}
        for position, row in enumerate(rows):
            folded = self.fold(self.vectors.names[row])
            if folded in asked:
                forms.setdefault(folded, []).append(position)
        return forms


def outcomes(
    usable: Usable,
    questions: list[Question],
    restrict_vocab: int | None,
    method: str,
    block: BlockSize = DEFAULT_BLOCK,
) -> Int8:
    """Answer Q analogy questions by one of `METHODS`; returns (Q,) int8.

    1 if a form of the fourth word is the answer, 0 if another word is, `MISSING` if one of the four
    words is not among those used. Only the words of the first `restrict_vocab` rows are used in
    questions and answers; None: all.

    gensim's `evaluate_word_analogies` finds the same answers, but far more slowly: it multiplies
    the matrix with one question at a time. It also gives up after five forms of a, b or c.
    """
    rows = usable.rows[usable.rows < restrict_vocab] if restrict_vocab else usable.rows
    folded = [tuple(map(usable.fold, question)) for question in questions]
    forms = usable.forms({word for question in folded for word in question}, rows)
    result = np.full(len(questions), MISSING, dtype=np.int8)
    seen = [all(word in forms for word in question) for question in folded]
    if not any(seen):
        return result
    numbers = {word: number for number, word in enumerate(forms)}
    asked = np.array([[numbers[w] for w in q] for q, known in zip(folded, seen, strict=True) if known])
    number_at = np.full(len(rows), MISSING)
    for number, positions in enumerate(forms.values()):
        number_at[positions] = number
    first_forms = rows[[positions[0] for positions in forms.values()]]
    best = _nearest(usable, rows, asked[:, :3], first_forms, number_at, method, block)
    # A fourth word that repeats one of the three is never the answer.
    fresh = (asked[:, :3] != asked[:, 3:]).all(axis=1)
    result[seen] = fresh & (number_at[best] == asked[:, 3])
    return result


def _nearest(
    usable: Usable,
    rows: Int64,
    asked: Int64,
    first_forms: Int64,
    number_at: Int64,
    method: str,
    block: BlockSize,
) -> Int64:
    """The positions in `rows` of the answers to the questions a, b, c in `asked`: (Q, 3) to (Q,).

    A question consists of word numbers: `first_forms` has the row of each word number, `number_at`
    the word number of each position. With unit vectors, and the most frequent of words with equal
    scores:

        3CosAdd  argmax over d of  cos(d, b) - cos(d, a) + cos(d, c)
        3CosMul  argmax over d of  s(d, b) s(d, c) / (s(d, a) + EPSILON),  s = (1 + cos) / 2

    The first is from Mikolov, Yih and Zweig (2013), the second from Levy and Goldberg (2014),
    equation 4. Many questions share few words (Google's 19,544 have 905, and 550 pairs a, b), so
    their cosines are computed once, then combined for each pair, then with c. Forms of a, b and c
    are made impossible in that table: -inf in sums and 0 in products stay impossible when combined.
    """
    combine, impossible = (np.add, -np.inf) if method == "3cosadd" else (np.multiply, 0.0)
    words = _unit_rows(usable, first_forms)
    best = np.zeros(len(asked), dtype=np.int64)
    highest = np.full(len(asked), -np.inf, dtype=np.float32)
    pairs, pair_of = np.unique(asked[:, :2], axis=0, return_inverse=True)
    pair_of = pair_of.ravel()  # NumPy 2.0 gave it a second axis
    width = min(block.candidates, max(1, block.table_values // max(len(words), len(pairs))))
    for start in range(0, len(rows), width):
        cosines = words @ _unit_rows(usable, rows[start : start + width]).T  # (words, width)
        toward, away = _factors(cosines, method)
        numbers = number_at[start : start + width]
        columns = np.flatnonzero(numbers != MISSING)
        toward[numbers[columns], columns] = away[numbers[columns], columns] = impossible
        halves = combine(toward[pairs[:, 1]], away[pairs[:, 0]])  # (pairs, width): b and a
        for first in range(0, len(asked), block.questions):
            these = slice(first, first + block.questions)
            scores = halves[pair_of[these]]
            combine(scores, toward[asked[these, 2]], out=scores)
            position = scores.argmax(axis=1)
            score = scores[np.arange(len(position)), position]
            better = first + np.flatnonzero(score > highest[these])
            best[better] = start + position[better - first]
            highest[better] = score[better - first]
    return best


def _factors(cosines: Float32, method: str) -> tuple[Float32, Float32]:
    """What a cosine contributes to a score: with b or c, and with a."""
    if method == "3cosadd":
        return cosines, -cosines
    toward: Float32 = np.maximum((1 + cosines) / 2, np.float32(FLOOR))
    return toward, np.float32(1) / (toward + np.float32(EPSILON))


def cosines(usable: Usable, pairs: list[Pair]) -> Float64:
    """The cosine of each pair, (P,) float64; NaN if a word has no vector."""
    folded = [(usable.fold(pair.a), usable.fold(pair.b)) for pair in pairs]
    forms = usable.forms({word for pair in folded for word in pair}, usable.rows)
    known = [a in forms and b in forms for a, b in folded]
    result = np.full(len(pairs), np.nan)
    if any(known):
        numbers = {word: number for number, word in enumerate(forms)}
        rows = usable.rows[[positions[0] for positions in forms.values()]]
        unit = _unit_rows(usable, rows).astype(np.float64)
        pair_rows = [(numbers[a], numbers[b]) for (a, b), found in zip(folded, known, strict=True) if found]
        a, b = unit[np.array(pair_rows).T]
        # The root of a product, not a product of roots: the cosine of a word with itself is then
        # 1 to the bit, so such pairs tie.
        squares = np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b)
        result[known] = np.einsum("ij,ij->i", a, b) / np.sqrt(squares)
    return result


def _unit_rows(usable: Usable, rows: Int64) -> Float32:
    """A copy of these rows scaled to length 1, (rows, dim) float32."""
    picked: Float32 = usable.vectors.matrix[rows]
    # In float64: the norm of large float32 values can overflow float32.
    np.divide(picked, usable.norms[rows, None], out=picked, casting="same_kind")
    return picked
