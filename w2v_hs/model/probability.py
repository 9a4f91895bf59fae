"""Probabilities under a model: of a word, of all words, of the most probable ones; samples.

A context is one word or a list of words. A CBOW model was trained to predict from the mean of the
input vectors of its context, a skip-gram model from one word. For several words there are two ways
to combine the predictions of a skip-gram model; for one word both are the same.

combine="inputs", the default, predicts from the mean of the input vectors, as in CBOW. The
probabilities sum to 1 without normalisation, one word costs O(path), and the search for the most
probable words can skip most of the tree.

combine="log_probs" averages the log-probabilities given each word alone, and normalises: the
geometric mean of the distributions. This is what the loss of a skip-gram window adds up. Without
normalisation the sum over all words is below 1, so every answer needs the whole tree for each
context word.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from w2v_hs.checks import several, whole
from w2v_hs.errors import OptionError, W2VError
from w2v_hs.kernels.probability import all_log_probs, best_first, draw_words, path_log_probs
from w2v_hs.options import COMBINE, Combine, Options
from w2v_hs.tree import Tree
from w2v_hs.types import Array, Context, Float32, Float64, Int64, Word
from w2v_hs.vectors import Vectors

Item = TypeVar("Item")
Found = TypeVar("Found")
BLOCK_VALUES = 1 << 20  # of hidden vectors, or scores of the full softmax, at once: 8 MiB


@dataclass(frozen=True)
class TopWords:
    """The most probable words, as a sequence of pairs (word, probability).

    Attributes
    ----------
    words
        Best first; of equally probable words, the more frequent first.
    probabilities
        (k,) float64.
    visited
        Inner nodes whose branches were computed; for the full softmax, output vectors.
    """

    words: list[Any]  # best first; of equally probable words, the more frequent first
    probabilities: Float64  # (k,)
    visited: int  # inner nodes whose branches were computed; for the full softmax, output vectors

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[tuple[Any, float]]:
        return zip(self.words, self.probabilities.tolist(), strict=True)

    def __getitem__(self, place: Any) -> Any:
        """The pair at a place; of a slice, a list of pairs."""
        return list(self)[place]


class Predictor:
    """Predicts words from contexts.

    outputs (V - 1, dim), by inner node of `tree`; (V, dim), by word, without a tree. `FormatError`
    if the paths are not those of a tree, as in a damaged file.
    """

    def __init__(self, vectors: Vectors, outputs: Float32, tree: Tree | None, options: Options):
        self.vectors = vectors
        # Contiguous, since a kernel is compiled anew for each layout. NumPy multiplies the outputs
        # of the full softmax with float64, and would convert them every time.
        dtype = np.float64 if tree is None else np.float32
        self.outputs: Array = np.ascontiguousarray(outputs, dtype)
        self.tree = tree
        self.options = options
        if tree is not None:
            self.children, self.order = tree.children()
            self.root = int(self.order[0])

    def log_probs(self, contexts: Iterable[Context], words: Iterable[Word], combine: Combine) -> Float64:
        """(B,) float64: log P(words[i] | contexts[i]) in nats."""
        if isinstance(contexts, str) or isinstance(words, str):
            raise TypeError(
                "log_probs takes a list of contexts and a list of words; for one of each use log_prob"
            )
        self._check_combine(combine)
        inputs = _each(contexts, lambda context: self._inputs(context, combine))
        targets = np.array(_each(words, self.vectors.row), np.int64)
        if len(inputs) != len(targets):
            raise OptionError(f"found {len(inputs)} contexts and {len(targets)} words; expected as many")
        return self._log_probs_between(inputs, targets, combine)

    def log_prob(self, context: Context, word: Word, combine: Combine) -> float:
        """log P(word | context) in nats."""
        target = np.array([self.vectors.row(word)])
        return float(self._log_probs_between([self._inputs(context, combine)], target, combine)[0])

    def _log_probs_between(self, inputs: list[Float32], targets: Int64, combine: Combine) -> Float64:
        """(B,) float64: the log-probability of each target given the inputs of one context."""
        if combine == "log_probs":
            pairs = zip(inputs, targets, strict=True)
            return np.array([self._mean_log_probs(r)[target] for r, target in pairs])
        result = np.empty(len(inputs))
        width = self.vectors.dim if self.tree is not None else len(self.vectors)
        step = max(1, BLOCK_VALUES // width)
        for first in range(0, len(inputs), step):
            block = slice(first, first + step)
            result[block] = self._log_probs_of(self._hidden(inputs[block]), targets[block])
        return result

    def distribution(self, context: Context, combine: Combine) -> Float64:
        """(V,) float64: the probability of every word."""
        return np.exp(self._all_log_probs(self._inputs(context, combine), combine))

    def top_ks(
        self, contexts: Iterable[Context], k: int, exclude: Iterable[Iterable[Word]] | None, combine: Combine
    ) -> list[TopWords]:
        """`top_k` of each context, without the words of `exclude` at the same position."""
        if isinstance(contexts, str):
            raise TypeError("top_ks takes a list of contexts; for one use top_k")
        contexts = list(contexts)
        left_out = [()] * len(contexts) if exclude is None else list(exclude)
        if len(left_out) != len(contexts):
            raise OptionError(
                f"found {len(contexts)} contexts and {len(left_out)} lists of words to exclude; "
                "expected as many"
            )
        self._check_combine(combine)
        k = whole("k", k, 1)
        pairs = zip(contexts, left_out, strict=True)
        return _each(pairs, lambda pair: self.top_k(pair[0], k, pair[1], combine))

    def top_k(self, context: Context, k: int, exclude: Iterable[Word], combine: Combine) -> TopWords:
        """The `k` most probable words, all V if `k` is larger, without those of `exclude`."""
        inputs = self._inputs(context, combine)
        left_out = self.vectors.rows_to_exclude(exclude)
        wanted = min(whole("k", k, 1), len(self.vectors) - len(left_out))
        k = wanted + len(left_out)
        if self.tree is not None and combine == "inputs":
            best, log_probs, visited = best_first(
                self._hidden([inputs])[0], self.children, self.root, self.outputs, k
            )
        else:
            log_probs = self._all_log_probs(inputs, combine)
            best, visited = _largest(log_probs, k), len(self.outputs)
            log_probs = log_probs[best]
        kept = np.flatnonzero(~np.isin(best, list(left_out)))[:wanted]
        words = [self.vectors.words[row] for row in best[kept]]
        return TopWords(words, np.exp(log_probs[kept]), int(visited))

    def sample(self, context: Context, n: int, seed: int, combine: Combine) -> list[Any]:
        """Draw `n` words independently."""
        inputs = self._inputs(context, combine)
        n, seed = whole("n", n, 0, 100_000_000), whole("seed", seed, 0)
        if self.tree is not None and combine == "inputs":
            state = np.random.SeedSequence(seed).generate_state(1, np.uint64)
            drawn = draw_words(self._hidden([inputs])[0], self.children, self.root, self.outputs, n, state)
        else:  # by the inverse of the cumulative distribution
            sums = np.cumsum(np.exp(self._all_log_probs(inputs, combine)))
            uniform = np.random.Generator(np.random.PCG64(seed)).random(n)
            drawn = np.searchsorted(sums / sums[-1], uniform, side="right")
        return [self.vectors.words[row] for row in drawn]

    def _check_combine(self, combine: Combine) -> None:
        """Raise `OptionError` for a way of combining that the model does not have."""
        if combine not in COMBINE:
            raise OptionError(f"combine={combine!r}: expected one of {', '.join(COMBINE)}")
        if combine == "log_probs" and self.options.arch == "cbow":
            raise OptionError(
                "combine='log_probs': a CBOW model predicts from the mean of its inputs; use combine='inputs'"
            )

    def _inputs(self, context: Context, combine: Combine) -> Float32:
        """The input vectors of a context's words, (n, dim)."""
        self._check_combine(combine)
        words = several(context)
        if not words:
            raise OptionError("the context is empty: give a word or a list of words")
        return np.stack([self.vectors[word] for word in words])

    def _hidden(self, contexts: list[Float32]) -> Float64:
        """The mean of the input vectors of each context, (b, dim) float64."""
        sizes = np.array([len(vectors) for vectors in contexts])
        inputs = np.concatenate(contexts).astype(np.float64)
        means: Float64 = np.add.reduceat(inputs, np.cumsum(sizes) - sizes) / sizes[:, np.newaxis]
        return means

    def _log_probs_of(self, hidden: Float64, targets: Int64) -> Float64:
        """(b,): log P(targets[i] | hidden[i]), of hidden (b, dim) and targets (b,)."""
        if self.tree is not None:
            paths = self.tree.offsets, self.tree.nodes, self.tree.bits
            found: Float64 = path_log_probs(hidden, targets, *paths, self.outputs)
        else:
            found = _log_softmax(hidden @ self.outputs.T)[np.arange(len(targets)), targets]
        return found

    def _all_log_probs(self, inputs: Float32, combine: Combine) -> Float64:
        """(V,): log P(w | context) of every word w."""
        if combine == "log_probs":
            return self._mean_log_probs(inputs)
        return self._log_probs_given(inputs)

    def _log_probs_given(self, inputs: Float32) -> Float64:
        """(V,): log P(w | mean of the input vectors) of every word w."""
        hidden = self._hidden([inputs])[0]
        if self.tree is not None:
            found: Float64 = all_log_probs(hidden, self.children, self.order, self.outputs)
        else:
            found = _log_softmax(self.outputs @ hidden)
        return found

    def _mean_log_probs(self, inputs: Float32) -> Float64:
        """(V,): the normalised mean of the log-probabilities given each input alone."""
        total = sum((self._log_probs_given(x[None]) for x in inputs), np.zeros(len(self.vectors)))
        return _log_softmax(total / len(inputs))


def _each(items: Iterable[Item], work: Callable[[Item], Found]) -> list[Found]:
    """The results for all items; an error says at which position, from 0, it was."""
    results = []
    for position, item in enumerate(items):
        try:
            results.append(work(item))
        except W2VError as error:
            raise type(error)(f"position {position} of the list: {error}") from None
    return results


def _log_softmax(scores: Float64) -> Float64:
    """The logarithm of the softmax over the last axis."""
    scores = scores - scores.max(axis=-1, keepdims=True)
    log_probs: Float64 = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    return log_probs


def _largest(values: Float64, k: int) -> Int64:
    """Positions of the k largest values, largest first; of equal values, the first position."""
    least = np.partition(values, len(values) - k)[len(values) - k]
    above = np.flatnonzero(values > least)
    places = np.append(above, np.flatnonzero(values == least)[: k - len(above)])
    return places[np.lexsort((places, -values[places]))]
