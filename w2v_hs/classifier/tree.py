"""Hierarchical softmax: a weight vector for each inner node of a binary tree of the classes."""

import math
from collections.abc import Iterator
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse
from scipy.special import logsumexp

from w2v_hs.classifier import nodes
from w2v_hs.classifier.base import Data, Features, restores_on_failure, warn_not_converged
from w2v_hs.classifier.class_trees import plant
from w2v_hs.classifier.descent import Descent
from w2v_hs.classifier.objective import rows_of
from w2v_hs.errors import OptionError
from w2v_hs.kernels import classifier as kernel
from w2v_hs.kernels.common import Paths
from w2v_hs.kernels.dual import Problems
from w2v_hs.kernels.products import largest
from w2v_hs.tree import Tree
from w2v_hs.types import Array, Float64, Int64

_SCORES = 1 << 22  # of nodes that are computed at once
_ROWS = 256  # that a thread searches at once


class HierarchicalSoftmaxRegression(Descent):
    """Softmax over a binary tree of the m classes: a weight vector for each inner node.

    For each feature that is not 0, a pass over the rows costs O(1) a node on the path of its row's
    class, some log2(m) nodes. This is not the model of the full softmax: its probabilities depend
    on the tree. `w2v_hs.classifier.base` has the objective.

    Parameters
    ----------
    tree : {"learned", "huffman", "balanced"}, Tree, list or dict, default="learned"
        "learned": classes whose rows are alike share branches. "huffman": the shortest mean path,
        given the frequencies of the classes in y. "balanced": equal depths; the sorted classes are
        halved recursively, so neighbours in order are neighbours in the tree. Or a tree of your
        own: nested lists of labels; a dict of the parent of each label and of each group but the
        root; or a `w2v_hs.tree.Tree` over the sorted classes.
    n_trees : int, default=1
        Learned trees from different random numbers, whose probabilities are averaged. Time and
        memory grow in proportion.
    solver : {"dual", "sgd"}, default="dual"
        "dual": each node by itself, to the minimum, on all threads. "sgd": mini-batches, one
        thread; for more rows than fit into memory, with `partial_fit`, which always uses it.
    l2 : float or None, default=None
        Strength of the penalty. With l2 = 1 / (C n), each node is a
        `LogisticRegression(C=C)` over the rows below it. None: C=10, with the sum of the sample
        weights for n; nodes far down have few rows, for which C=1 is often too much.
    fit_intercept : bool, default=True
        Whether to fit intercepts, which are not penalised.
    max_iter : int, default=1000
        Most passes over the rows of a node; for "sgd", epochs. With "dual", a `ConvergenceWarning`
        says when `tol` was not reached by then.
    tol : float, default=1e-3
        "dual": a node is done when its loss is estimated to be within `tol` nats a row of the
        minimum. "sgd" with `early_stopping`: what counts as an improvement.
    class_weight : dict, "balanced" or None, default=None
        A weight for each label, by which those of its rows are multiplied. "balanced": inverse to
        the frequencies of the classes.
    warm_start : bool, default=False
        "sgd": whether `fit` begins with the weights and trees of the last one, if classes, features
        and `n_trees` are the same. "dual" refuses it: it would need the dual variables of the rows.
    lr : float or None, default=None
        "sgd": learning rate at the start; it falls linearly to 0. None: derived from the features.
    batch_size : int, default=1
        "sgd": most rows in a step, which takes their mean gradient. A row costs the same in a batch
        of any size. In batches of one row, as in word2vec, rarely visited nodes learn fastest at a
        given `lr`.
    early_stopping : bool, default=False
        "sgd": whether to hold rows out, and to stop when their loss no longer falls. "dual" refuses
        it: each node ends at its minimum.
    validation_fraction : float, default=0.1
        The share of rows that `early_stopping` holds out.
    n_iter_no_change : int, default=5
        Epochs without an improvement after which `early_stopping` stops.
    random_state : int, RandomState or None, default=1
        Order of the rows, and beginnings of learned trees. The same number gives the same weights.
    n_jobs : int or None, default=None
        Threads; None: one, -1: one a processor. Results do not depend on it.
    verbose : bool, default=False
        Whether to show progress on standard error, or below the cell of a notebook.

    Attributes
    ----------
    classes_ : ndarray of shape (m,)
        Labels, sorted.
    tree_ : Tree
        The tree over the classes; the first of several.
    trees_ : list of Tree
        All trees.
    coef_ : {ndarray, CSR array} of shape (n_trees * (m - 1), d)
        Weights, one row an inner node, tree after tree. From "dual" and sparse features they are
        sparse; float32 for features of float32, else float64.
    intercept_ : ndarray of shape (n_trees * (m - 1),)
        Intercepts.
    losses_ : list of float
        "sgd": mean loss of each epoch in nats a row, without the penalty, and over the trees; that
        of a row is measured just before the step that takes it.
    validation_losses_ : list of float
        Mean loss of the rows held out, after each epoch.
    lr_ : float
        Learning rate at the start, with "sgd".
    n_iter_ : int
        Number of passes, of the node that needed most, or of epochs.
    n_features_in_ : int
        Number of features, d.

    Examples
    --------
    >>> clf = HierarchicalSoftmaxRegression(n_jobs=-1).fit(X, y)
    >>> labels, probabilities = clf.top_k(X, 5)
    """

    _CURVATURE = 0.25
    _COST = 10.0

    def __init__(
        self,
        *,
        tree: Literal["learned", "huffman", "balanced"] | Tree | list[Any] | dict[Any, Any] = "learned",
        n_trees: int = 1,
        solver: Literal["dual", "sgd"] = "dual",
        l2: float | None = None,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-3,
        class_weight: Any = None,
        warm_start: bool = False,
        lr: float | None = None,
        batch_size: int = 1,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        random_state: Any = 1,
        n_jobs: int | None = None,
        verbose: bool = False,
    ):
        self.tree = tree
        self.n_trees = n_trees
        self.solver = solver
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.lr = lr
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @restores_on_failure
    def fit(self, X: Features, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Build the trees and train from weights of zero, unless `warm_start` continues.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features, any numbers.
        y : array-like of shape (n,)
            Labels of any kind, of two classes or more.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows, not negative; a weight of 2 is the row twice.

        Returns
        -------
        self

        Raises
        ------
        OptionError
            A parameter is outside its range, or y holds a single class.
        DivergedError
            With "sgd", the loss becomes infinite or NaN, or ends far above that of zero weights.
        ValueError
            scikit-learn's estimators do not take X or y: NaN, infinite, or of unequal lengths.
        """
        solver = self._one_of("solver", ("dual", "sgd"))
        max_iter = self._whole("max_iter", 1, 1_000_000)
        before = vars(self).copy() if self.warm_start else {}
        data = self._data(X, y, sample_weight)
        l2 = self._penalty(float(data.weights.sum()))
        if solver == "sgd":
            outputs = self._whole("n_trees", 1, 10_000) * (len(self.classes_) - 1)
            start = self._continued(before, outputs, data)
            self._fit_by_descent(data, start, l2, max_iter)
            return self
        for name in ("early_stopping", "warm_start"):
            if getattr(self, name):
                raise OptionError(f"{name}=True with solver='dual': it is for solver='sgd'; leave it out")
        tol = self._real("tol", 0.0, "a float in the range [0, inf)")
        self._plant(data)
        self._train_nodes(data, l2, tol, max_iter)
        return self

    def _plant(self, data: Data) -> None:
        """Build the trees."""
        count, rows = self._whole("n_trees", 1, 10_000), np.arange(len(data.labels))
        members = scipy.sparse.csr_array(
            (data.weights, (data.labels, rows)), shape=(len(self.classes_), len(rows))
        )
        seeds = [self._seed() + number for number in range(count)]
        with self._pool() as pool:
            self.trees_ = plant(self, data.X, members, data.weights, seeds, pool)
        self.tree_ = self.trees_[0]

    def _train_nodes(self, data: Data, l2: float, tol: float, max_iter: int) -> None:
        """Train each node to its minimum."""
        shares = data.weights / data.weights.sum()
        X, _, means = self._centred(data.X, shares, centre=isinstance(data.X, np.ndarray))
        parts = []
        with self._pool() as pool, self._progress("node", "excess") as report:
            for number, tree in enumerate(self.trees_):
                places, spans = kernel.spans(*tree.children())
                order = np.argsort(places[data.labels], kind="stable")
                bounds = np.append(0, np.cumsum(np.bincount(places[data.labels], minlength=len(places))))
                problems = Problems(np.arange(len(order), dtype=np.int32), *bounds[spans.T])
                how = nodes.Training(
                    shares[order], l2, bool(self.fit_intercept), tol, max_iter, self._seed() + number
                )
                parts.append(nodes.train(X[order], problems, how, pool, self._threads(), report))
        stack = np.vstack if isinstance(X, np.ndarray) else scipy.sparse.vstack
        self.coef_ = parts[0].weights if len(parts) == 1 else stack([part.weights for part in parts])
        self.intercept_ = np.concatenate([part.bias for part in parts])
        if means.any():
            self.intercept_ -= (self.coef_ @ means).astype(X.dtype)
        self.n_iter_ = max(int(part.passes.max()) for part in parts)
        excess = np.concatenate([part.excess for part in parts])
        if (excess > tol).any():
            warn_not_converged(
                f"{(excess > tol).sum():,} of {len(excess):,} nodes are still above their minimum after "
                f"{max_iter} passes, by an estimated {excess.max():.2g} nats a row or less, more than "
                f"tol={tol:g}: increase max_iter or l2, or scale X"
            )

    # ---- batches --------------------------------------------------------------------------------

    def _begin(self, data: Data) -> tuple[Array, Array]:
        self._plant(data)
        outputs = len(self.trees_) * (len(self.classes_) - 1)
        return np.zeros((outputs, data.X.shape[1]), data.X.dtype), np.zeros(outputs, data.X.dtype)

    def _untrained(self, data: Data) -> float:
        counts = np.bincount(data.labels, data.weights, len(self.classes_))
        return math.log(2) * float(np.mean([tree.expected_length(counts) for tree in self.trees_]))

    def _passes(
        self, data: Data, centre: Float64, batches: Iterator[kernel.Batches], l2: float, bias: Array
    ) -> Iterator[float]:
        rows, has_bias = rows_of(data.X), bool(self.fit_intercept)
        shares = data.weights / data.weights.mean()
        along, square = np.asarray(data.X @ centre, np.float64), float(centre @ centre)
        for some in batches:
            loss = 0.0
            for tree, part in self._parts():
                weights, paths = self.coef_[part], Paths(tree.offsets, tree.nodes, tree.bits)
                learning = kernel.Nodes(weights, bias[part], np.ones(1))
                sums = np.zeros((tree.inner, 2))
                sums[:, 1] = weights @ centre
                shift = kernel.Centre(along, square, sums)
                slopes = np.empty(np.diff(some.bounds).max() * tree.lengths.max())
                loss += kernel.train(
                    rows, data.labels, shares, paths, some, shift, learning, l2, has_bias, slopes
                )
                with np.errstate(all="ignore"):  # what overflows is found after the epoch
                    weights -= np.outer(sums[:, 0], centre).astype(weights.dtype)
                    weights *= weights.dtype.type(learning.scale[0])
            yield loss / len(data.labels) / len(self.trees_)

    def _loss(self, data: Data) -> float:
        if len(self.trees_) > 1:
            return super()._loss(data)
        X, weights = self._together(data.X)
        paths = Paths(self.tree_.offsets, self.tree_.nodes, self.tree_.bits)
        losses = kernel.path_losses(rows_of(X), data.labels, paths, rows_of(weights), self.intercept_)
        return float(data.weights @ losses / data.weights.sum())

    # ---- predictions ----------------------------------------------------------------------------

    def _parts(self) -> Iterator[tuple[Tree, slice]]:
        """The trees with their rows of `coef_`."""
        for number, tree in enumerate(self.trees_):
            yield tree, slice(number * tree.inner, (number + 1) * tree.inner)

    def _together(self, X: Features) -> tuple[Features, Features]:
        """X and `coef_`, both dense or X sparse."""
        if isinstance(X, np.ndarray) and not isinstance(self.coef_, np.ndarray):
            X = scipy.sparse.csr_array(X)
        return X, self.coef_

    def _blocks(self, X: Features) -> Iterator[tuple[slice, Float64]]:
        """log P of all classes, of some rows at a time."""
        X, weights = self._together(X)
        parts = [(*tree.children(), weights[part], self.intercept_[part]) for tree, part in self._parts()]
        step = max(1, _SCORES // len(self.classes_))
        for first in range(0, X.shape[0], step):
            block = slice(first, min(first + step, X.shape[0]))
            found = [
                kernel.leaf_log_probs(nodes.node_scores(X[block], some, bias), children, order)
                for children, order, some, bias in parts
            ]
            yield block, found[0] if len(found) == 1 else logsumexp(found, axis=0) - math.log(len(found))

    def _log_probs(self, X: Features) -> Float64:
        found = np.empty((X.shape[0], len(self.classes_)))
        for block, log_probs in self._blocks(X):
            found[block] = log_probs
        return found

    def _best(self, X: Features, k: int) -> tuple[Int64, Float64]:
        best, found = np.empty((X.shape[0], k), np.int64), np.empty((X.shape[0], k))
        if len(self.trees_) > 1:
            for block, log_probs in self._blocks(X):
                largest(log_probs, k, best[block])
                found[block] = np.take_along_axis(log_probs, best[block], axis=1)
            return best, found
        X, weights = self._together(X)
        rows, nodes_of = rows_of(X), rows_of(weights)
        children, order = self.tree_.children()

        def search(first: int) -> None:
            last, root = min(first + _ROWS, len(best)), int(order[0])
            kernel.best_first(rows, first, last, nodes_of, self.intercept_, children, root, best, found)

        with self._pool() as pool:
            list(pool.map(search, range(0, len(best), _ROWS)))
        return best, found
