"""Words and their vectors: lookup, nearest neighbours by cosine, analogies."""

import difflib
import numbers
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from w2v_hs.checks import has_repeats, is_integer, is_word, several, short, whole
from w2v_hs.errors import OptionError, UnknownWordError, WordTypeError
from w2v_hs.types import Float64, Word
from w2v_hs.vectors.subwords import Subwords

SUGGEST_AMONG = 50_000  # words; comparing with all of a large vocabulary takes seconds
BLOCK_VALUES = 1 << 20  # values converted to float64 at once: 8 MiB
# Products of such rows with a vector of length 1 stay far inside the range of float32.
SAFE_NORMS = (1e-30, 1e30)


class Vectors:
    """Words and one vector for each.

    Parameters
    ----------
    words : list of str or int
        Most frequent first. An int and the str of its digits are the same word, also to lookups.
    matrix : array_like, shape (V, dim)
        One row a word, in float32. An array of float32 is kept without a copy and must not change
        afterwards, for the norms of its rows are computed once.
    subwords : Subwords, optional
        Vectors of character n-grams, which give words outside the vocabulary a vector.

    Raises
    ------
    ValueError
        `matrix` does not have shape (V, dim), or a word occurs twice.
    TypeError
        A word is neither a str nor an int.

    Attributes
    ----------
    words, matrix, subwords
        As given.
    names
        The words as str, as text files hold them.
    """

    def __init__(self, words: list[Any], matrix: np.ndarray, subwords: Subwords | None = None):
        matrix = np.asarray(matrix, dtype=np.float32)
        if matrix.ndim != 2 or len(matrix) != len(words):
            raise ValueError(f"matrix has shape {matrix.shape}; expected ({len(words)}, dim), one row a word")
        for row, word in enumerate(words):
            if not is_word(word):
                kind = type(word).__name__
                raise TypeError(f"the word of row {row} is {word!r}, {kind}; expected a str or an int")
        names = words if all(isinstance(word, str) for word in words) else list(map(str, words))
        if has_repeats(names):
            raise ValueError("a word occurs twice; expected one row a word")
        self.words = words
        self.names: list[str] = names
        self.matrix = matrix
        self.subwords = subwords

    @property
    def dim(self) -> int:
        """The number of values in a vector."""
        return int(self.matrix.shape[1])

    @cached_property
    def index(self) -> dict[Any, int]:
        """The row of each word, by the words as they are in `words`."""
        return {word: row for row, word in enumerate(self.words)}

    @cached_property
    def _inverse_norms(self) -> Float64:
        """1 / norm of each row, (V,) float64; 0 for rows without a direction (zero, NaN, Inf)."""
        # In float64: the square of a large or subnormal float32 overflows or underflows float32.
        norms = np.sqrt(np.einsum("ij,ij->i", self.matrix, self.matrix, dtype=np.float64))
        # NaN > 0 is false, and 1 / Inf is 0.
        inverse: Float64 = np.zeros_like(norms)
        np.divide(1.0, norms, out=inverse, where=norms > 0)
        return inverse

    @cached_property
    def _unsafe_rows(self) -> np.ndarray:
        """The rows that have a direction but a norm outside `SAFE_NORMS`."""
        inverse, (low, high) = self._inverse_norms, SAFE_NORMS
        return np.flatnonzero((inverse > 0) & ((inverse > 1 / low) | (inverse < 1 / high)))

    def __repr__(self) -> str:
        return f"Vectors({len(self.words):,} words, dim {self.dim})"

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return self._find(word) is not None

    def __getitem__(self, word: Word) -> np.ndarray:
        """Return a copy of the vector of `word`, (dim,) float32; else raise `UnknownWordError`.

        With subwords, a word outside the vocabulary has the mean of its n-grams' vectors.
        """
        if self.subwords is not None and is_word(word) and word not in self:
            vector = self.subwords.vector(str(word))
            if vector is None:
                raise self._unknown(word, ", and none of its n-grams is known")
            return vector
        known: np.ndarray = self.matrix[self.row(word)]
        return known.copy()

    def most_similar(
        self,
        query: Word | Iterable[Word] | np.ndarray | None = None,
        k: int = 10,
        exclude: Iterable[Word] = (),
        *,
        positive: Word | Iterable[Word] = (),
        negative: Word | Iterable[Word] = (),
    ) -> list[tuple[Any, float]]:
        """Return the `k` words of highest cosine, best first, without the words of the query.

        Several words stand for the sum of their vectors of length 1, less those of `negative`.
        Words whose row is zero or not finite have no direction and are left out; a query without
        a direction has no neighbours.

        Parameters
        ----------
        query : str, int, iterable of them, or ndarray of shape (dim,)
            A word, several words, or a vector. Floats are a vector, ints are words, in an array as
            in a list.
        k : int
            At least 1.
        exclude : iterable of str or int
            Words to leave out.
        positive, negative : str, int, or iterable of them
            Words to add to the query, and to subtract from it.

        Returns
        -------
        list of (word, float)
            Words and cosines, fewer than `k` if there are no more.

        Raises
        ------
        UnknownWordError
            The word is not in the vocabulary and has no known n-grams, or one of `exclude` is not
            in the vocabulary.
        WordTypeError
            Something is neither a str nor an int where a word is expected; also a TypeError.
        OptionError
            `k` is not a whole number of at least 1, or there is no query.
        ValueError
            The vector does not have shape (dim,).
        """
        left_out = self.rows_to_exclude(exclude)
        added, subtracted = several(positive), several(negative)
        vector, words = (None, []) if query is None else _vector_or_words(query)
        added = words + added
        if vector is None and not added and not subtracted:
            raise OptionError("most_similar of nothing: give a word, several words or a vector")
        target = np.zeros(self.dim) if vector is None else np.asarray(vector, dtype=np.float64)
        for sign, words in (1, added), (-1, subtracted):
            left_out.update(self._rows(words))
            for word in words:
                target = target + sign * self._unit(word)
        return self._nearest(target, k, list(left_out))

    def similarity(self, a: Word, b: Word) -> float:
        """Return the cosine of two words; 0 if one of them has no direction."""
        return float(self._unit(a) @ self._unit(b))

    def analogy(self, a: Word, b: Word, c: Word, k: int = 10) -> list[tuple[Any, float]]:
        """Answer "a is to b as c is to ?" with the `k` words nearest to b - a + c, best first.

        Vectors are scaled to length 1 first, and the three words are excluded: 3CosAdd of Mikolov,
        Yih and Zweig (2013). Raises as `most_similar`.
        """
        target = self._unit(b) - self._unit(a) + self._unit(c)
        return self._nearest(target, k, self._rows([a, b, c]))

    def including(self, words: Iterable[str]) -> "Vectors":
        """Return these and rows for those of `words` that are unknown but have known n-grams.

        The result has no subwords.
        """
        if self.subwords is None:
            return self
        new = {word: self.subwords.vector(word) for word in words if word not in self}
        found = {word: vector for word, vector in new.items() if vector is not None}
        return Vectors([*self.words, *found], np.vstack([self.matrix, *found.values()]))

    def head(self, n: int) -> "Vectors":
        """Return the first `n` words, all if there are fewer; the matrix is a view.

        Raises `OptionError` unless `n` is a whole number of at least 1.
        """
        n = whole("n", n, 1)
        return Vectors(self.words[:n], self.matrix[:n], self.subwords)

    def normalized(self) -> "Vectors":
        """Return a copy with each row scaled to length 1; rows of zeros stay zeros.

        The copy has no subwords. Raises `ValueError` if a row holds NaN or Inf: it has no length.
        """
        matrix = np.empty(self.matrix.shape, np.float32)
        step = max(1, BLOCK_VALUES // max(1, self.dim))
        for start in range(0, len(self), step):
            rows = slice(start, start + step)
            finite = np.isfinite(self.matrix[rows]).all(axis=1)
            if not finite.all():
                word = self.words[start + int(np.argmin(finite))]
                raise ValueError(f"the vector of {word!r} holds NaN or Inf; it has no length")
            matrix[rows] = self.matrix[rows] * self._inverse_norms[rows, None]
        return Vectors(self.words, matrix)

    def to_gensim(self) -> Any:
        """Return a gensim `KeyedVectors` with the same words in order, and a copy of the rows.

        Words that are ints are there the str of their digits: to gensim an int is a row.

        Raises
        ------
        OptionError
            gensim is not installed.
        """
        try:
            from gensim.models import KeyedVectors
        except ImportError:
            raise OptionError("to_gensim needs the package gensim: pip install gensim") from None

        keyed = KeyedVectors(vector_size=self.dim)
        keyed.add_vectors(self.names, self.matrix)
        return keyed

    def row(self, word: Word) -> int:
        """The row of `word`; else `UnknownWordError`, which suggests similar words.

        `WordTypeError` if it is neither a str nor an int.
        """
        row = self._find(word)
        if row is not None:
            return row
        if not is_word(word):
            raise WordTypeError(
                f"{short(word)} is of type {type(word).__name__}; expected a word, which is a str or an int"
            )
        raise self._unknown(word)

    def _unknown(self, word: Word, more: str = "") -> UnknownWordError:
        """The error for a word without a row; `more` is what else is unknown."""
        hint = ""
        if self.knows_lower_case_of(word):
            hint = f", but {str(word).lower()!r} is: give it in lower case"
        elif isinstance(word, str):  # numbers that look alike have nothing in common
            among = self.names[:SUGGEST_AMONG]
            close = difflib.get_close_matches(word, among)
            if (lower := word.lower()) != word:  # most models are trained on lower-case text
                close = list(dict.fromkeys([*difflib.get_close_matches(lower, among), *close]))[:3]
            hint = f"; close to it: {', '.join(map(repr, close))}" if close else ""
        return UnknownWordError(f"{word!r} is not among the {len(self):,} words{more}{hint}")

    def knows_lower_case_of(self, word: Word) -> bool:
        """Whether a word is unknown only because of its capital letters."""
        return isinstance(word, str) and word not in self and word.lower() in self

    def rows_to_exclude(self, words: Iterable[Word]) -> set[int]:
        """The rows of words to leave out of an answer; else `UnknownWordError`."""
        return {self.row(word) for word in several(words)}

    def _find(self, word: object) -> int | None:
        """The row of a word, None if it is unknown; an int is the same word as its digits."""
        if not is_word(word):  # maybe not even hashable
            return None
        row = self.index.get(word)
        if row is None and is_integer(word):
            row = self.index.get(str(word))
        elif row is None and isinstance(word, str) and self.names is not self.words:
            row = self._index_of_names.get(word)
        return row

    @cached_property
    def _index_of_names(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    def _rows(self, words: list[Word]) -> list[int]:
        """The rows of those words that are in the vocabulary."""
        return [row for row in map(self._find, words) if row is not None]

    def _unit(self, word: Word) -> np.ndarray:
        """The vector of `word` scaled to length 1, (dim,) float64; zeros if it has no direction."""
        if word not in self:
            vector = self[word].astype(np.float64)
            norm = np.linalg.norm(vector)
            return vector / norm if norm > 0 else vector
        row = self.row(word)
        if self._inverse_norms[row] == 0:
            return np.zeros(self.dim)
        unit: np.ndarray = self.matrix[row] * self._inverse_norms[row]
        return unit

    def _nearest(self, query: np.ndarray, k: int, left_out: list[int]) -> list[tuple[Any, float]]:
        """The `k` words of highest cosine with `query` (dim,), without the rows `left_out`."""
        k = whole("k", k, 1)
        if query.shape != (self.dim,):
            raise ValueError(f"the vector has shape {query.shape}; expected ({self.dim},)")
        largest = np.max(np.abs(query), initial=0)
        if not (np.isfinite(largest) and largest > 0):
            return []
        query = query / largest  # so that the squares in its norm neither overflow nor underflow
        cosines = self._cosines(query / np.linalg.norm(query))
        cosines[self._inverse_norms == 0] = -np.inf
        cosines[left_out] = -np.inf
        k = min(k, int(np.count_nonzero(cosines > -np.inf)))
        if k == 0:
            return []
        best = np.argpartition(-cosines, k - 1)[:k]
        best = best[np.lexsort((best, -cosines[best]))]
        return [(self.words[row], float(cosines[row])) for row in best]

    def _cosines(self, unit: np.ndarray) -> np.ndarray:
        """The cosine of each row with `unit` (dim,) of length 1, (V,) float64.

        Values of rows without a direction are arbitrary.
        """
        with np.errstate(
            invalid="ignore", over="ignore"
        ):  # of rows that are not finite, and of `_unsafe_rows`
            cosines: np.ndarray = (self.matrix @ unit.astype(np.float32)) * self._inverse_norms
        step = max(1, BLOCK_VALUES // self.dim)
        for start in range(0, len(self._unsafe_rows), step):
            rows = self._unsafe_rows[start : start + step]
            products = self.matrix[rows].astype(np.float64) @ unit
            cosines[rows] = products * self._inverse_norms[rows]
        return cosines


def _vector_or_words(query: Any) -> tuple[np.ndarray | None, list[Any]]:
    """The vector that a query is; or None, and the words that it is."""
    if isinstance(query, np.ndarray) and query.dtype.kind == "f":
        return query, []
    values = several(query)
    numeric = isinstance(query, Iterable) and all(isinstance(value, numbers.Real) for value in values)
    return (None, values) if not numeric or all(map(is_word, values)) else (np.array(values), [])
