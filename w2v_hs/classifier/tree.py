"""Hierarchical softmax: a weight vector for each inner node of a binary tree of the classes."""

import math
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np

from w2v_hs.classifier.base import Features, Regression
from w2v_hs.errors import OptionError
from w2v_hs.kernels import classifier as kernel
from w2v_hs.kernels.common import Paths
from w2v_hs.tree import Tree, balanced, huffman
from w2v_hs.types import Float64, Int64

BUILDERS = {"huffman": huffman, "balanced": balanced}


class HierarchicalSoftmaxRegression(Regression):
    """Softmax over a binary tree of the m classes: a weight vector for each inner node.

    For each feature that is not 0, a step costs O(1) a node on the path of its row's class, some
    log2(m) nodes; the L2 penalty adds nothing to that. This is not the model of the full softmax:
    its probabilities depend on the tree. `w2v_hs.classifier.base` has objective and method.

    Parameters
    ----------
    tree : {"huffman", "balanced"} or Tree, default="huffman"
        "huffman": the shortest mean path, given the frequencies of the classes in y. "balanced":
        equal depths; the sorted classes are halved recursively, so neighbours in order are
        neighbours in the tree. Or a `w2v_hs.tree.Tree` over the sorted classes.
    epochs : int, default=20
        Passes over the rows.
    lr : float or None, default=None
        Learning rate at the start; it falls linearly to 0. None: derived from the features.
    batch_size : int, default=1
        Most rows in a step, which takes their mean gradient. A row costs the same in a batch of any
        size. In batches of one row, as in word2vec, rarely visited nodes learn fastest at a given
        `lr`.
    l2 : float, default=0.0
        Strength of the penalty.
    fit_intercept : bool, default=True
        Whether to fit intercepts, which are not penalised.
    seed : int, default=1
        Seed of the order of the rows. The same seed gives the same weights.

    Attributes
    ----------
    classes_ : ndarray of shape (m,)
        Labels, sorted.
    tree_ : Tree
        The tree over the classes.
    coef_ : ndarray of shape (m - 1, d), float64
        Weights, one row an inner node.
    intercept_ : ndarray of shape (m - 1,), float64
        Intercepts.
    losses_ : list of float
        Mean loss of each epoch in nats a row, without the penalty. The loss of a row is measured
        just before the step that takes it.
    lr_ : float
        Learning rate at the start.
    n_iter_ : int
        Number of epochs.
    n_features_in_ : int
        Number of features, d.

    Examples
    --------
    >>> clf = HierarchicalSoftmaxRegression(epochs=20).fit(X, y)
    >>> labels, probabilities = clf.top_k(X, 5)
    """

    _CURVATURE = 0.25

    def __init__(
        self,
        *,
        tree: Literal["huffman", "balanced"] | Tree = "huffman",
        epochs: int = 20,
        lr: float | None = None,
        batch_size: int = 1,
        l2: float = 0.0,
        fit_intercept: bool = True,
        seed: int = 1,
    ):
        self.tree = tree
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.seed = seed

    def _prepare(self, counts: Int64) -> tuple[int, float]:
        tree = self.tree
        if isinstance(tree, str) and tree in BUILDERS:
            tree = BUILDERS[tree](counts)
        if not isinstance(tree, Tree):
            raise self._invalid("tree", "'huffman', 'balanced' or a w2v_hs.tree.Tree")
        if tree.inner != len(counts) - 1:
            raise OptionError(
                f"The 'tree' parameter of {type(self).__name__} must be a tree over the sorted "
                f"classes of y, of which there are {len(counts)}. Got a tree over "
                f"{tree.inner + 1} classes instead."
            )
        self.tree_ = tree
        self._children, self._order = tree.children()
        return tree.inner, math.log(2) * tree.expected_length(counts)

    def _train(
        self, X: Features, centre: Float64, labels: Int64, epochs: Iterable[kernel.Batches], l2: float
    ) -> Iterator[float]:
        rows, paths = _rows(X), Paths(self.tree_.offsets, self.tree_.nodes, self.tree_.bits)
        nodes = kernel.Nodes(self.coef_, self.intercept_, np.ones(1))
        sums = np.zeros((self.tree_.inner, 2))
        shift = kernel.Centre(X @ centre, float(centre @ centre), sums)
        has_bias = bool(self.fit_intercept)
        for batches in epochs:
            slopes = np.empty(np.diff(batches.bounds).max() * self.tree_.lengths.max())
            yield kernel.train(rows, labels, paths, batches, shift, nodes, l2, has_bias, slopes)
        self.coef_ -= np.outer(sums[:, 0], centre)
        self.coef_ *= nodes.scale

    def _log_probs(self, X: Features) -> Float64:
        scores = self._scores(X)
        found: Float64 = kernel.leaf_log_probs(scores, self._children, self._order)
        return found

    def _best(self, X: Features, k: int) -> tuple[Int64, Float64]:
        best, log_probs, _ = kernel.best_first(
            _rows(X), self.coef_, self.intercept_, self._children, int(self._order[0]), k
        )
        return best, log_probs


def _rows(X: Features) -> kernel.Rows:
    """Dense or CSR features as the kernels read them."""
    if isinstance(X, np.ndarray):
        return kernel.Rows(np.arange(len(X) + 1) * X.shape[1], None, X.reshape(-1))
    return kernel.Rows(X.indptr, X.indices, X.data)
