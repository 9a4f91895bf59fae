"""Words and their vectors: look-up, neighbours by cosine, analogies."""

import difflib
from collections.abc import Iterable
from functools import cached_property

import numpy as np

from w2v_hs.errors import OptionError, UnknownWordError

SUGGEST_AMONG = 50_000  # comparing with every word of a large vocabulary takes seconds


class Vectors:
    """Words, most frequent first, and one float32 row of `matrix` (V, dim) for each.

    `matrix` is kept as it is given, views included, and must not change afterwards: the norms of
    its rows are computed once.

    Raises
    ------
    ValueError
        `matrix` is not two-dimensional, has not one row a word, or a word occurs twice.
    """

    def __init__(self, words: list[str], matrix: np.ndarray):
        matrix = np.asarray(matrix, dtype=np.float32)
        if matrix.ndim != 2 or len(matrix) != len(words):
            raise ValueError(
                f"matrix has shape {matrix.shape}; expected ({len(words)}, dim), one row a word"
            )
        if len(set(words)) != len(words):
            raise ValueError("a word occurs twice; expected one row a word")
        self.words = words
        self.matrix = matrix

    @property
    def dim(self) -> int:
        """The number of values in a vector."""
        return self.matrix.shape[1]

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    @cached_property
    def _inverse_norms(self) -> np.ndarray:
        """1 / norm of each row, (V,) float64; 0 for rows without a direction: zero, NaN, Inf."""
        # float64, for the square of a large or subnormal float32 leaves the range of float32.
        norms = np.sqrt(np.einsum("ij,ij->i", self.matrix, self.matrix, dtype=np.float64))
        # NaN > 0 is false, and 1 / Inf is 0.
        return np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def __getitem__(self, word: str) -> np.ndarray:
        """Return a copy of the vector of `word`, (dim,) float32; `UnknownWordError` if none."""
        return self.matrix[self._row(word)].copy()

    def most_similar(
        self, word_or_vector: str | np.ndarray, k: int = 10, exclude: Iterable[str] = ()
    ) -> list[tuple[str, float]]:
        """Return the `k` words of highest cosine, best first, without the word itself.

        Words whose row is zero or not finite have no direction and are left out; a query without
        a direction has no neighbours.

        Raises
        ------
        UnknownWordError
            The word, or one of `exclude`, is not in the vocabulary.
        OptionError
            `k` is below 1.
        ValueError
            The vector has not the shape (dim,).
        """
        left_out = [self._row(word) for word in exclude]
        if isinstance(word_or_vector, str):
            left_out.append(self._row(word_or_vector))
            query = self._unit(word_or_vector)
        else:
            query = np.asarray(word_or_vector, dtype=np.float64)
        return self._nearest(query, k, left_out)

    def similarity(self, a: str, b: str) -> float:
        """Return the cosine of two words; 0 if one of them has no direction."""
        return float(self._unit(a) @ self._unit(b))

    def analogy(self, a: str, b: str, c: str, k: int = 10) -> list[tuple[str, float]]:
        """Answer "a is to b as c is to ?" with the `k` words nearest to b - a + c, best first.

        The rows are scaled to unit length first, and the three words are no answers: 3CosAdd of
        Mikolov, Yih and Zweig (2013). The errors are those of `most_similar`.
        """
        target = self._unit(b) - self._unit(a) + self._unit(c)
        return self._nearest(target, k, [self._row(word) for word in (a, b, c)])

    def to_gensim(self):
        """Return a gensim `KeyedVectors` with the same order and a copy of the vectors."""
        from gensim.models import KeyedVectors

        keyed = KeyedVectors(vector_size=self.dim)
        keyed.add_vectors(self.words, self.matrix)
        return keyed

    def _row(self, word: str) -> int:
        try:
            return self.index[word]
        except KeyError:
            close = difflib.get_close_matches(word, self.words[:SUGGEST_AMONG])
            hint = f"; close to it: {', '.join(map(repr, close))}" if close else ""
            raise UnknownWordError(f"{word!r} is not among the {len(self):,} words{hint}") from None

    def _unit(self, word: str) -> np.ndarray:
        """The vector of `word` at length 1, (dim,) float64; zeros if it has no direction."""
        row = self._row(word)
        if self._inverse_norms[row] == 0:
            return np.zeros(self.dim)
        return self.matrix[row] * self._inverse_norms[row]

    def _nearest(self, query: np.ndarray, k: int, left_out: list[int]) -> list[tuple[str, float]]:
        """The `k` rows of highest cosine with `query` (dim,), less `left_out` and zero rows."""
        if k < 1:
            raise OptionError(f"k is {k}; expected at least 1")
        if query.shape != (self.dim,):
            raise ValueError(f"the vector has shape {query.shape}; expected ({self.dim},)")
        norm = np.linalg.norm(query)
        if not (np.isfinite(norm) and norm > 0):
            return []
        with np.errstate(invalid="ignore", over="ignore"):  # rows that are not finite go below
            cosines = (self.matrix @ (query / norm).astype(np.float32)) * self._inverse_norms
        cosines[self._inverse_norms == 0] = -np.inf
        cosines[left_out] = -np.inf
        k = min(k, int(np.count_nonzero(cosines > -np.inf)))
        if k == 0:
            return []
        best = np.argpartition(-cosines, k - 1)[:k]
        best = best[np.lexsort((best, -cosines[best]))]
        return [(self.words[row], float(cosines[row])) for row in best]
