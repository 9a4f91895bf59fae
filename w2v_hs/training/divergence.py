"""Is a run sound? The size of its weights, and an exact loss on a fixed sample of the text.

The running loss is measured just before each update, and a rate that is too large can make it fall
while the vectors are useless. So from time to time the loss of windows spread over the text is
computed anew: without clipping, in float64, by NumPy and not by the kernels.
"""

import math
from functools import cached_property

import numpy as np

from w2v_hs.checks import warn
from w2v_hs.model.weights import Weights
from w2v_hs.options import Resolved
from w2v_hs.text.corpus import Corpus
from w2v_hs.text.windows import kernel_window
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32, Float64, Int32, Int64

WINDOWS = 200  # of a probe
WORK = 10**9  # floating-point operations of a probe, an upper bound: a fraction of a second
# Of a vector. Sound runs stay below 50; float32 loses whole numbers from 1.7e7 on.
LARGEST_NORM = 1e5
WORSE = 2.0  # times the loss of an untrained model


def weights_fault(vectors: Float32, outputs: Float32) -> str | None:
    """What is wrong, or None: a number not finite, or a row longer than `LARGEST_NORM`."""
    for name, matrix in (("vectors", vectors), ("output weights", outputs)):
        longest = _longest_row(matrix)
        if not math.isfinite(longest):
            return f"{name} hold numbers that are not finite"
        if longest > LARGEST_NORM:
            return f"{name} have grown to a length of {longest:.3g}"
    return None


def last_loss_fault(weights: Weights, counts: Int64) -> str | None:
    """What is wrong with the mean loss of the last epoch, or None; counts: (V,) of the words."""
    if weights.tree is None:
        untrained = math.log(len(counts))
    else:
        untrained = math.log(2) * weights.tree.expected_length(counts)
    loss = weights.losses[-1]
    if loss is None or loss <= WORSE * untrained:
        return None
    return f"the mean loss of the last epoch is {loss:.4g} nats, {untrained:.4g} before any training,"


class Probe:
    """Windows of full width, at equal distances over the text.

    A model that was trained with subsampling may be wrong about words it has hardly seen, so each
    loss is weighted by the probability that subsampling keeps its words.
    """

    def __init__(self, corpus: Corpus, options: Resolved):
        self.mean = options.arch == "cbow"
        self.keep = corpus.vocabulary.keep_probabilities(options.sample).astype(np.float64)
        kept = corpus.vocabulary.kept_frequencies(options.sample)
        self.frequencies = kept / kept.sum()
        self.windows: list[tuple[int, Int32]] = []  # centre, contexts
        window = kernel_window(options, corpus.sentences)
        work = 4 * options.dim * max(window.left, window.right)  # of a score for each context word
        work *= len(corpus.vocabulary) if options.loss == "softmax" else 32
        count = max(1, min(WINDOWS, WORK // work))
        for place in np.linspace(0, len(corpus.ids) - 1, count).astype(np.int64).tolist():
            sentence = int(np.searchsorted(corpus.sentences, place, side="right"))
            begin, end = corpus.sentences[sentence - 1 : sentence + 1].tolist()
            around = [*range(max(begin, place - window.left), place)]
            around += range(place + 1, min(end, place + window.right + 1))
            if around:
                self.windows.append((int(corpus.ids[place]), np.asarray(corpus.ids[around])))

    @cached_property
    def words(self) -> Int64:
        """The words whose input vectors the windows use."""
        return np.array(sorted({int(word) for _, contexts in self.windows for word in contexts}), np.int64)

    def fault(self, vectors: Float32, outputs: Float32, tree: Tree | None) -> str | None:
        """What is wrong with the weights, or None; the parameters are those of `losses`.

        It is a fault if the loss is far above that of an untrained model, which no model that has
        learned anything exceeds by much.
        """
        loss, untrained = self.losses(vectors, outputs, tree)
        if loss <= WORSE * untrained:  # false where it is NaN
            return None
        return (
            f"the exact loss of a sample of the text is {loss:.4g} nats, and {untrained:.4g} "
            "before any training,"
        )

    def warn_if_nothing_learned(self, weights: Weights, options: Resolved) -> None:
        """Warn if the weights predict the sample no better than unigram frequencies."""
        loss, _ = self.losses(weights.vectors, weights.outputs, weights.tree)
        if loss >= self.unigram:
            warn(
                f"the model has learned nothing from contexts: its loss on a sample of the text is "
                f"{loss:.3f} nats per prediction, that of unigram frequencies {self.unigram:.3f}; train more "
                f"epochs than {options.epochs}, on more text, or with a higher lr than {options.lr:g}"
            )

    @cached_property
    def unigram(self) -> float:
        """Mean nats per prediction of the frequencies that subsampling leaves."""
        nats, total = 0.0, 0.0
        for centre, contexts in self.windows:
            weight = self.keep[centre] * (1.0 if self.mean else self.keep[contexts].sum())
            if weight > 0:
                nats -= weight * math.log(self.frequencies[centre])
                total += weight
        return nats / total if total else math.inf

    def losses(self, vectors: Float32, outputs: Float32, tree: Tree | None) -> tuple[float, float]:
        """Mean nats per prediction, and those of a model whose output weights are 0.

        vectors: (V, stride) float32. outputs: (rows, stride) float32, of the inner nodes of `tree`
        or, if that is None, of the V words.
        """
        nats, zero, total = 0.0, 0.0, 0.0
        words = outputs[: len(vectors) if tree is None else 0].T.astype(np.float64)
        # What is too large overflows to inf or NaN, which is what the caller looks for.
        with np.errstate(all="ignore"):
            for centre, contexts in self.windows:
                x, weights = vectors[contexts].astype(np.float64), self.keep[contexts]
                if self.mean:
                    x, weights = x.mean(axis=0, keepdims=True), np.ones(1)
                weights = weights * self.keep[centre]
                if tree is None:
                    losses, untrained = _softmax_losses(x, words, centre)
                else:
                    losses, untrained = _tree_losses(x, outputs, tree, centre)
                nats += weights @ losses
                zero += weights.sum() * untrained
                total += weights.sum()
        return (float(nats / total), float(zero / total)) if total else (0.0, 0.0)


def _softmax_losses(x: Float64, words: Float64, centre: int) -> tuple[Float64, float]:
    """The losses of the contexts x (n, stride) given all output vectors (stride, V), and ln V."""
    scores = x @ words
    high = scores.max(axis=1)
    losses = np.log(np.exp(scores - high[:, None]).sum(axis=1)) + high - scores[:, centre]
    return losses, math.log(words.shape[1])


def _tree_losses(x: Float64, outputs: Float32, tree: Tree, centre: int) -> tuple[Float64, float]:
    """The losses of the contexts x (n, stride) on the centre's path, and its length in nats."""
    path = slice(tree.offsets[centre], tree.offsets[centre + 1])
    signs = 1.0 - 2.0 * tree.bits[path]
    scores = x @ outputs[tree.nodes[path]].T.astype(np.float64)
    return np.logaddexp(0.0, -signs * scores).sum(axis=1), math.log(2) * len(signs)


def _longest_row(matrix: Float32) -> float:
    """The largest norm of a row; NaN or infinite where a number is not finite."""
    block, longest = 1 << 14, 0.0
    for first in range(0, len(matrix), block):
        rows = matrix[first : first + block]
        with np.errstate(all="ignore"):
            square = float(np.einsum("ij,ij->i", rows, rows).max(initial=0.0))
        if not math.isfinite(square):
            return math.nan
        longest = max(longest, square)
    return math.sqrt(longest)
