"""Softmax regression on any features, full and over a tree of classes, as scikit-learn estimators.

    clf = HierarchicalSoftmaxRegression(epochs=20).fit(X, y)
    clf.predict_proba(X), clf.top_k(X, 5)

Both minimise, for n rows of features x_i with classes y_i,

    1/n sum_i -log P(y_i | x_i) + l2/2 ||W||^2

in nats, where W are all weights; the intercepts b are not penalised. They differ in P:

    full            P(y | x) = exp(w_y . x + b_y) / sum_c exp(w_c . x + b_c)
    hierarchical    P(y | x) = product over the path of y of sigmoid(+-(w_l . x + b_l))

A step goes down the exact gradient of a mini-batch's mean (Robbins and Monro 1951), at a rate that
falls linearly to 0. Three things make plain steps arrive where a solver of second order does:

- All batches of an epoch are of equal size, to one row. A short last batch would weigh its few
  rows more than the others and keep the weights in motion.
- If there is an intercept, features are centred while training, and the intercept takes the means
  over afterwards. W and the objective stay the same; only the way to the minimum is shorter.
  Sparse features stay sparse: the centre is a vector of its own.
- The rate, where none is given, is 1 / L with the L of Gower et al. 2019 ("SGD: General Analysis
  and Improved Rates", proposition 3.8): between the curvature of the mean over all rows and that
  of the worst row, by the size of the batch. A curvature is at most 1/2 ||x||^2 for the softmax
  (Böhning 1992) and 1/4 ||x||^2 for a branch, whose probability p varies by p (1 - p).
"""

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from w2v_hs.checks import one_of, real, shown, whole
from w2v_hs.errors import DivergedError, OptionError
from w2v_hs.kernels import classifier as kernel
from w2v_hs.kernels.common import Paths
from w2v_hs.options import LEAST_LR
from w2v_hs.tree.tree import Tree, balanced, huffman
from w2v_hs.types import Array, Float64, Int64

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise ImportError(
        "w2v_hs.classifier needs scikit-learn 1.6 or newer: pip install 'w2v-hs[classifier]'"
    ) from None

# (n, d) numbers: dense, or CSR of SciPy, which has no types.
Features: TypeAlias = Any
# For each epoch: order of the rows, bounds of the batches in it, their rates.
_Plan: TypeAlias = Iterator[tuple[Int64, Int64, Float64]]
POWER_STEPS = 20  # of the power iteration; the eigenvalue is then right to some percent


class Regression(ClassifierMixin, BaseEstimator):
    """What both estimators share: checks, batches, rates, and methods on log-probabilities."""

    _CURVATURE: ClassVar[float]
    epochs: int
    lr: float | None
    batch_size: int
    l2: float
    fit_intercept: bool
    seed: int

    def fit(self, X: Features, y: npt.ArrayLike) -> Self:
        """Train from weights of zero.

        X: (n, d) numbers, dense or CSR; y: (n,) labels of any kind, of two classes or more.
        Returns the estimator.

        Raises
        ------
        OptionError
            A parameter outside its range, or a single class.
        DivergedError
            The loss leaves the finite numbers or ends far above that of weights of zero.
        ValueError
            X or y is not what scikit-learn's estimators take: NaN, infinite, of unequal lengths.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64, order="C")
        check_classification_targets(y)
        epochs = whole("epochs", self.epochs, 1, 1_000_000)
        size = min(whole("batch_size", self.batch_size, 1, 2**31), X.shape[0])
        l2 = real("l2", self.l2, 0.0, math.inf, "of at least 0")
        seed = whole("seed", self.seed, 0, 2**63 - 1)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            only = shown(self.classes_[0], 60)
            raise OptionError(f"y holds one class, {only}: need at least 2 classes")
        counts = np.bincount(labels)
        means = np.asarray(X.mean(axis=0)).ravel() * bool(self.fit_intercept)
        centre = means  # what the features still have to be taken down by
        if isinstance(X, np.ndarray):
            X, centre = X - means, np.zeros_like(means)
        self.lr_ = self._rate(X, centre, size, l2)
        outputs, untrained = self._prepare(counts)
        self.coef_, self.intercept_ = np.zeros((outputs, X.shape[1])), np.zeros(outputs)
        self.losses_: list[float] = []
        plan = _plan(len(labels), epochs, size, self.lr_, seed)
        for loss in self._train(X, centre, labels, plan, size, l2):
            self.losses_.append(loss / len(labels))
            if not math.isfinite(loss):
                raise DivergedError(
                    f"epoch {len(self.losses_)}: the mean loss is {loss}; start again with a "
                    f"smaller lr than {self.lr_:g}, or with features of a smaller scale"
                )
        loss = self.losses_[-1]
        if not loss <= 2 * untrained or not np.isfinite(self.coef_).all():
            raise DivergedError(
                f"the mean loss of the last epoch is {loss:.4g} nats, {untrained:.4g} before any "
                f"training; start again with a smaller lr than {self.lr_:g}"
            )
        self.intercept_ -= self.coef_ @ means
        self.n_iter_ = epochs
        return self

    def predict_log_proba(self, X: Features) -> Float64:
        """(n, m) float64: log P(class | x) in nats, columns as in `classes_`. Nothing is clipped:
        it stays finite where the probability itself is too small for a float64."""
        log_probs: Float64 = self._log_probs(self._checked(X))
        return log_probs

    def predict_proba(self, X: Features) -> Float64:
        """(n, m) float64: P(class | x), columns as in `classes_`. Rows sum to 1."""
        probabilities: Float64 = np.exp(self.predict_log_proba(X))
        return probabilities

    def predict(self, X: Features) -> Array:
        """(n,): the most probable class of each row; of equals the first in `classes_`."""
        best, _ = self._best(self._checked(X), 1)
        labels: Array = self.classes_[best[:, 0]]
        return labels

    def top_k(self, X: Features, k: int) -> tuple[Array, Float64]:
        """The k most probable classes of each row, best first, of equals the first in `classes_`:
        (labels (n, k), probabilities (n, k) float64).

        Raises `OptionError` unless 1 <= k <= m.
        """
        X = self._checked(X)
        best, log_probs = self._best(X, whole("k", k, 1, len(self.classes_)))
        return self.classes_[best], np.exp(log_probs)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _checked(self, X: Features) -> Features:
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", dtype=np.float64, order="C", reset=False)

    def _scores(self, X: Features) -> Float64:
        """(n, outputs): w . x + b of every row of `coef_`."""
        scores: Float64 = X @ self.coef_.T + self.intercept_
        return scores

    def _rate(self, X: Features, centre: Float64, size: int, l2: float) -> float:
        """The learning rate at the start: `lr`, or 1 / L where it is None."""
        if self.lr is not None:
            rate = real("lr", self.lr, LEAST_LR, math.inf, f"above 0, {LEAST_LR:g} at least")
            if rate * l2 >= 1:
                raise OptionError(
                    f"lr={rate:g} with l2={l2:g}: the penalty alone would take a step past zero; "
                    "set lr * l2 below 1"
                )
            return rate
        with np.errstate(over="ignore", invalid="ignore"):
            curvature = self._CURVATURE * _squared_size(X, centre, size, self.fit_intercept) + l2
        if not math.isfinite(curvature):
            raise OptionError("the squares of X overflow: give features of a smaller scale")
        return 1 / curvature if curvature > 0 else 1.0


class SoftmaxRegression(Regression):
    """Multinomial logistic regression: a weight vector for each of m classes.

    A step costs O(d m) a row. The module's docstring has objective and method.

    Parameters
    ----------
    epochs
        Passes over the rows.
    lr
        Learning rate at the start; falls linearly to 0. None: from the features, see above.
    batch_size
        Rows a step, at most; each step takes their mean gradient.
    l2
        Strength of the penalty. `LogisticRegression(C=1 / (l2 * n))` has the same minimum.
    fit_intercept
        Whether there are intercepts; they are not penalised.
    seed
        Of the order of the rows. The same seed gives the same weights.

    Attributes
    ----------
    classes_
        (m,) labels, sorted.
    coef_, intercept_
        (m, d) and (m,) float64, one row a class (for two classes too).
    losses_
        Mean nats a row of each epoch, each taken before the step that the row was part of,
        without the penalty.
    lr_
        The learning rate at the start.
    n_iter_, n_features_in_
        Epochs and d.
    """

    _CURVATURE = 0.5

    def __init__(
        self, *, epochs: int = 100, lr: float | None = None, batch_size: int = 32, l2: float = 0.0,
        fit_intercept: bool = True, seed: int = 1,
    ):  # fmt: skip
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.seed = seed

    def _prepare(self, counts: Int64) -> tuple[int, float]:
        return len(counts), math.log(len(counts))

    def _train(
        self, X: Features, centre: Float64, labels: Int64, plan: _Plan, size: int, l2: float
    ) -> Iterator[float]:
        for order, bounds, rates in plan:
            loss = 0.0
            for i, rate in enumerate(rates):
                rows = order[bounds[i] : bounds[i + 1]]
                loss += self._step(X[rows], centre, labels[rows], rate, l2)
            yield loss

    def _step(self, X: Features, centre: Float64, labels: Int64, rate: float, l2: float) -> float:
        """One step down the gradient of a batch; returns the sum of its losses before it."""
        targets = np.arange(len(labels)), labels
        with np.errstate(all="ignore"):  # `fit` finds what overflows
            log_probs = _log_softmax(self._scores(X) - self.coef_ @ centre)
            slopes = np.exp(log_probs)  # d loss / d score = P - (c = y)
            slopes[targets] -= 1.0
            slopes *= rate / len(labels)
            self.coef_ *= 1 - rate * l2
            self.coef_ -= (X.T @ slopes).T  # sparse @ dense is what CSR can do
            self.coef_ += np.outer(slopes.sum(axis=0), centre)
            if self.fit_intercept:
                self.intercept_ -= slopes.sum(axis=0)
            return -float(log_probs[targets].sum())

    def _log_probs(self, X: Features) -> Float64:
        return _log_softmax(self._scores(X))

    def _best(self, X: Features, k: int) -> tuple[Int64, Float64]:
        log_probs = self._log_probs(X)
        best = np.argsort(-log_probs, axis=1, kind="stable")[:, :k]
        return best, np.take_along_axis(log_probs, best, axis=1)


class HierarchicalSoftmaxRegression(Regression):
    """Softmax over a binary tree of the m classes: a weight vector for each inner node.

    A step costs O(d) times the length of the path of its row's class, some log2(m), in features
    that are not 0; the L2 penalty adds nothing to that. The model is another one than the full
    softmax: it sees classes through the tree, and its probabilities depend on it. The module's
    docstring has objective and method.

    Parameters
    ----------
    tree
        "huffman", the shortest mean path at the frequencies of the classes in y; "balanced",
        equal depths, the sorted classes halved again and again, so that neighbours in order are
        neighbours in the tree; or a `w2v_hs.tree.tree.Tree` over the sorted classes.
    epochs
        Passes over the rows.
    lr
        Learning rate at the start; falls linearly to 0. None: from the features, see above.
    batch_size
        Rows a step, at most; each step takes their mean gradient. A row costs the same
        in any batch. In batches of one, as in word2vec, the seldom met nodes learn fastest at a
        given lr.
    l2
        Strength of the penalty.
    fit_intercept
        Whether there are intercepts; they are not penalised.
    seed
        Of the order of the rows. The same seed gives the same weights.

    Attributes
    ----------
    classes_
        (m,) labels, sorted.
    tree_
        `w2v_hs.tree.tree.Tree` over the classes.
    coef_, intercept_
        (m - 1, d) and (m - 1,) float64, one row an inner node.
    losses_
        Mean nats a row of each epoch, each taken before the step that the row was part of,
        without the penalty.
    lr_
        The learning rate at the start.
    n_iter_, n_features_in_
        Epochs and d.
    """

    _CURVATURE = 0.25

    def __init__(
        self, *, tree: Literal["huffman", "balanced"] | Tree = "huffman", epochs: int = 20,
        lr: float | None = None, batch_size: int = 1, l2: float = 0.0, fit_intercept: bool = True,
        seed: int = 1,
    ):  # fmt: skip
        self.tree = tree
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.seed = seed

    def _prepare(self, counts: Int64) -> tuple[int, float]:
        tree = self.tree
        if not isinstance(tree, Tree):
            builders = {"huffman": huffman, "balanced": balanced}
            tree = builders[one_of("tree", tree, builders)](counts)
        elif tree.inner != len(counts) - 1:
            raise OptionError(
                f"tree is over {tree.inner + 1} classes, y holds {len(counts)}; give a tree over "
                "the sorted classes of y"
            )
        self.tree_ = tree
        self._children, self._order = tree.children()
        return tree.inner, math.log(2) * tree.expected_length(counts)

    def _train(
        self, X: Features, centre: Float64, labels: Int64, plan: _Plan, size: int, l2: float
    ) -> Iterator[float]:
        paths = Paths(self.tree_.offsets, self.tree_.nodes, self.tree_.bits)
        sums, scale = np.zeros((self.tree_.inner, 2)), np.ones(1)
        shift = kernel.Centre(X @ centre, float(centre @ centre), sums)
        slopes = np.empty(size * self.tree_.lengths.max())
        for order, bounds, rates in plan:
            yield kernel.train(
                _rows(X), order, bounds, labels, paths, shift, self.coef_, self.intercept_,
                bool(self.fit_intercept), rates, l2, scale, slopes,
            )  # fmt: skip
        self.coef_ -= np.outer(sums[:, 0], centre)
        self.coef_ *= scale

    def _log_probs(self, X: Features) -> Float64:
        scores = self._scores(X)
        found: Float64 = kernel.leaf_log_probs(scores, self._children, self._order)
        return found

    def _best(self, X: Features, k: int) -> tuple[Int64, Float64]:
        best, log_probs, _ = kernel.best_first(
            _rows(X), self.coef_, self.intercept_, self._children, int(self._order[0]), k
        )
        return best, log_probs


def _plan(rows: int, epochs: int, size: int, lr: float, seed: int) -> _Plan:
    """For each epoch: the order of the rows, the bounds of its batches in it, and their rates."""
    generator = np.random.Generator(np.random.PCG64(seed))
    batches = -(-rows // size)
    bounds = np.arange(batches + 1) * rows // batches
    for epoch in range(epochs):
        done = (epoch * batches + np.arange(batches)) / (epochs * batches)
        yield generator.permutation(rows), bounds, lr * (1 - done)


def _log_softmax(scores: Float64) -> Float64:
    """log softmax of each row. The largest score is subtracted first, so that no exp overflows."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probs: Float64 = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_probs


def _rows(X: Features) -> kernel.Rows:
    """Dense or CSR features as the kernels read them."""
    if isinstance(X, np.ndarray):
        return kernel.Rows(np.arange(len(X) + 1) * X.shape[1], None, X.reshape(-1))
    return kernel.Rows(X.indptr, X.indices, X.data)


def _squared_size(X: Features, centre: Float64, batch: int, intercept: bool) -> float:
    """What stands for ||x||^2 in the curvature of a mean over `batch` of the n rows X - centre.

    The largest squared norm for one row, the largest eigenvalue of X^T X / n for all of them, in
    between by the weights of Gower et al. 2019. An intercept is a feature that is always 1.
    """
    rows, features = X.shape
    squares = (X * X if isinstance(X, np.ndarray) else X.multiply(X)) @ np.ones(features)
    largest = float((squares - 2 * (X @ centre) + centre @ centre).max()) + intercept
    if batch == 1:
        return largest
    v = np.random.Generator(np.random.PCG64(1)).normal(size=features + 1)
    value = 1.0
    for _ in range(POWER_STEPS):
        z = (X @ v[:-1] - centre @ v[:-1] + intercept * v[-1]) / rows
        v = np.append(X.T @ z - centre * z.sum(), intercept * z.sum())
        value = float(np.linalg.norm(v))
        if value == 0.0 or not math.isfinite(value):
            break
        v /= value
    return float((rows * (batch - 1) * value + (rows - batch) * largest) / (batch * (rows - 1)))
