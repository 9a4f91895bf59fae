"""What vectors say to a test set: the answer to each question, the cosine of each pair."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from w2v_hs.evaluation.testsets import Pair, Question
from w2v_hs.vectors.vectors import Vectors

METHODS = ("3cosadd", "3cosmul")
MISSING = -1  # the outcome of a question one of whose words has no vector
# At once: so many questions, against so many words that their scores, 1 MiB, stay in the cache.
QUESTIONS, CANDIDATES = 256, 1024
TABLE_VALUES = 1 << 22  # cosines of asked words with candidates held at once: 16 MiB
# Levy and Goldberg (2014) take 0.001, gensim 1e-6; hardly any answer depends on it.
EPSILON = 1e-6
FLOOR = 1e-12  # a word opposite to b is still nearer than a word that may not be the answer


@dataclass(frozen=True)
class Usable:
    """Vectors as a test set sees them.

    rows (U,): those that have a direction, most frequent first. norms (V,) float64. fold: what
    words are compared as.
    """

    vectors: Vectors
    rows: np.ndarray
    norms: np.ndarray
    fold: Callable[[str], str]

    @classmethod
    def of(cls, vectors: Vectors, case_insensitive: bool) -> "Usable":
        """Leave out the rows that are zero or not finite."""
        norms = np.sqrt(np.einsum("ij,ij->i", vectors.matrix, vectors.matrix, dtype=np.float64))
        rows = np.flatnonzero(np.isfinite(norms) & (norms > 0))
        return cls(vectors, rows, norms, str.upper if case_insensitive else str)

    def forms(self, asked: set[str], rows: np.ndarray) -> dict[str, list[int]]:
        """Where in `rows` the forms of each asked word stand, most frequent first."""
        forms: dict[str, list[int]] = {}
        for position, row in enumerate(rows):
            folded = self.fold(self.vectors.words[row])
            if folded in asked:
                forms.setdefault(folded, []).append(position)
        return forms


def outcomes(
    usable: Usable, questions: list[Question], restrict_vocab: int | None, method: str
) -> np.ndarray:
    """Answer questions among the `restrict_vocab` most frequent words.

    Returns (Q,) int8: 1 where a form of the fourth word is the answer, 0 where another word is,
    `MISSING` where one of the four words is not among those words. gensim's
    `evaluate_word_analogies` finds the same, many times slower: it multiplies the matrix with one
    question at a time, and gives up after five forms of a, b or c.
    """
    rows = usable.rows[usable.rows < restrict_vocab] if restrict_vocab else usable.rows
    folded = [tuple(map(usable.fold, question)) for question in questions]
    forms = usable.forms({word for question in folded for word in question}, rows)
    result = np.full(len(questions), MISSING, dtype=np.int8)
    seen = [all(word in forms for word in question) for question in folded]
    if not any(seen):
        return result
    numbers = {word: number for number, word in enumerate(forms)}
    asked = np.array(
        [[numbers[w] for w in q] for q, known in zip(folded, seen, strict=True) if known]
    )
    places = list(forms.values())
    of_place = np.full(len(rows), MISSING)
    for number, positions in enumerate(places):
        of_place[positions] = number
    best = _nearest(usable, rows, asked[:, :3], places, of_place, method)
    # A fourth word that repeats one of the three is never the answer.
    fresh = (asked[:, :3] != asked[:, 3:]).all(axis=1)
    result[seen] = fresh & (of_place[best] == asked[:, 3])
    return result


def _nearest(
    usable: Usable,
    rows: np.ndarray,
    asked: np.ndarray,
    places: list[list[int]],
    of_place: np.ndarray,
    method: str,
) -> np.ndarray:
    """The place in `rows` of the answer to each question of numbers a, b, c (Q, 3), as (Q,).

    With unit vectors, and the most frequent of equal scores:

        3CosAdd  argmax over d of  cos(d, b) - cos(d, a) + cos(d, c)
        3CosMul  argmax over d of  s(d, b) s(d, c) / (s(d, a) + EPSILON),  s = (1 + cos) / 2

    The first is Mikolov, Yih and Zweig (2013), the second Levy and Goldberg (2014), equation 4.
    Few words make many questions (Google's 19,544 have 905, and 550 pairs a, b), so their cosines
    are computed once, then combined for each pair, then with c. Forms of a, b and c are made
    impossible in that table, -inf in sums and 0 in products, which combines to impossible again.
    """
    combine, impossible = (np.add, -np.inf) if method == "3cosadd" else (np.multiply, 0.0)
    words = _unit_rows(usable, rows[[positions[0] for positions in places]])
    best = np.zeros(len(asked), dtype=np.int64)
    highest = np.full(len(asked), -np.inf, dtype=np.float32)
    pairs, pair_of = np.unique(asked[:, :2], axis=0, return_inverse=True)
    pair_of = pair_of.ravel()  # NumPy 2.0 gave it a second axis
    width = min(CANDIDATES, max(1, TABLE_VALUES // max(len(words), len(pairs))))
    for start in range(0, len(rows), width):
        cosines = words @ _unit_rows(usable, rows[start : start + width]).T  # (words, width)
        if method == "3cosadd":
            toward, away = cosines, -cosines
        else:
            toward = np.maximum((1 + cosines) / 2, np.float32(FLOOR))
            away = 1 / (toward + np.float32(EPSILON))
        owners = of_place[start : start + width]
        columns = np.flatnonzero(owners != MISSING)
        toward[owners[columns], columns] = away[owners[columns], columns] = impossible
        halves = combine(toward[pairs[:, 1]], away[pairs[:, 0]])  # (pairs, width): b, less a
        for first in range(0, len(asked), QUESTIONS):
            scores = halves[pair_of[first : first + QUESTIONS]]
            combine(scores, toward[asked[first : first + QUESTIONS, 2]], out=scores)
            place = scores.argmax(axis=1)
            score = scores[np.arange(len(place)), place]
            better = first + np.flatnonzero(score > highest[first : first + QUESTIONS])
            best[better] = start + place[better - first]
            highest[better] = score[better - first]
    return best


def cosines(usable: Usable, pairs: list[Pair]) -> np.ndarray:
    """The cosine of each pair, (P,) float64; NaN where a word has no vector."""
    folded = [(usable.fold(pair.a), usable.fold(pair.b)) for pair in pairs]
    forms = usable.forms({word for pair in folded for word in pair}, usable.rows)
    known = [a in forms and b in forms for a, b in folded]
    result = np.full(len(pairs), np.nan)
    if any(known):
        numbers = {word: number for number, word in enumerate(forms)}
        rows = usable.rows[[positions[0] for positions in forms.values()]]
        unit = _unit_rows(usable, rows).astype(np.float64)
        pair_rows = [
            (numbers[a], numbers[b]) for (a, b), found in zip(folded, known, strict=True) if found
        ]
        a, b = unit[np.array(pair_rows).T]
        # One root of a product, not a product of roots: a word is then 1 to itself, to the bit,
        # and such pairs tie as they should.
        squares = np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b)
        result[known] = np.einsum("ij,ij->i", a, b) / np.sqrt(squares)
    return result


def _unit_rows(usable: Usable, rows: np.ndarray) -> np.ndarray:
    """A copy of these rows at length 1, (rows, dim) float32."""
    picked: np.ndarray = usable.vectors.matrix[rows]
    # Divided in float64, for the norm of large float32 values may not fit float32.
    np.divide(picked, usable.norms[rows, None], out=picked, casting="same_kind")
    return picked
