"""A trained text classifier: what it predicts."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from w2v_hs.checks import whole
from w2v_hs.classifier.text.features import Features
from w2v_hs.classifier.text.options import TextOptions
from w2v_hs.files.container import TEXT_CLASSIFIER
from w2v_hs.kernels import text_classifier as kernel
from w2v_hs.kernels.probability import path_log_probs
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Array, Float32, Float64, Int64

_SCORES = 1 << 23  # numbers in a block of scores, 64 MB


@dataclass(frozen=True)
class TextModel:
    """A text classifier over m labels.

    A text is predicted from its hidden vector, the mean of the vectors of its rows. Products and
    sums are float64.

    Attributes
    ----------
    features
        Which rows a text has.
    vectors
        (rows, dim) float32: their vectors.
    outputs
        float32: the output vector of each label, (m, dim), or with a tree that of each inner node,
        (m - 1, dim).
    labels
        (m,): the labels, sorted.
    tree
        The tree over the labels; None: full softmax.
    options
        The options of training.
    facts
        Texts, tokens, losses by epoch, seconds of training, and threads used.
    """

    features: Features
    vectors: Float32
    outputs: Float32
    labels: Array
    tree: Tree | None
    options: TextOptions
    facts: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """Options, labels, sizes, losses and facts, as JSON can represent them."""
        facts, tree = dict(self.facts), self.tree
        losses = facts.pop("losses")
        words, ngrams = len(self.features.words) - 1, len(self.features.buckets)  # without the end
        return {
            "kind": TEXT_CLASSIFIER,
            "options": asdict(self.options),
            "labels": self.labels.tolist(),
            "vocabulary": {"words": words, "ngrams": ngrams},
            "tree": tree and {"inner_nodes": tree.inner, "deepest_leaf": int(tree.lengths.max())},
            "losses": losses,
            "provenance": facts,
        }

    def hidden(self, texts: Iterable[Any]) -> Float64:
        """(n, dim) float64: the hidden vector of each text."""
        rows = self.features.rows_of(texts)
        hidden: Float64 = kernel.hidden_vectors(rows, self.vectors, self.vectors.shape[1])
        return hidden

    def log_probs(self, hidden: Float64) -> Float64:
        """(n, m): log P of each label given each hidden vector, in nats."""
        if self.tree is None:
            scores = hidden @ self._weights.T
            scores -= scores.max(axis=1, keepdims=True)
            scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
            return scores
        log_probs: Float64 = kernel.tree_log_probs(hidden, *self._children, self.outputs)
        return log_probs

    def best(self, hidden: Float64, k: int) -> tuple[Int64, Float64]:
        """The k most probable labels given each hidden vector: numbers and log P, (n, k) each.

        Of equally probable ones the first in `labels` comes first.
        """
        k = whole("k", k, 1, len(self.labels))
        if self.tree is not None:
            children, order = self._children
            found: tuple[Int64, Float64] = kernel.best_labels(
                hidden, children, int(order[0]), self.outputs, k
            )
            return found
        best, log_probs = np.empty((len(hidden), k), np.int64), np.empty((len(hidden), k))
        for block in self._blocks(len(hidden)):
            each = self.log_probs(hidden[block])
            first = np.argmax(each, axis=1)[:, None] if k == 1 else np.argsort(-each, axis=1, kind="stable")
            best[block] = first[:, :k]
            log_probs[block] = np.take_along_axis(each, best[block], axis=1)
        return best, log_probs

    def log_probs_of(self, hidden: Float64, labels: Int64) -> Float64:
        """(n,): log P of one label given each hidden vector, by the number of the label."""
        if self.tree is not None:
            tree = self.tree
            found: Float64 = path_log_probs(hidden, labels, tree.offsets, tree.nodes, tree.bits, self.outputs)
            return found
        log_probs = np.empty(len(hidden))
        for block in self._blocks(len(hidden)):
            each = self.log_probs(hidden[block])
            log_probs[block] = np.take_along_axis(each, labels[block, None], axis=1)[:, 0]
        return log_probs

    def _blocks(self, count: int) -> Iterator[slice]:
        """Slices of texts whose scores are a block."""
        size = max(1, _SCORES // len(self.labels))
        return (slice(first, first + size) for first in range(0, count, size))

    @cached_property
    def _weights(self) -> Float64:
        return self.outputs.astype(np.float64)

    @cached_property
    def _children(self) -> tuple[Int64, Int64]:
        assert self.tree is not None
        return self.tree.children()
