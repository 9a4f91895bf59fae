"""What the softmax regressions share: parameters, checks of data and weights, predictions.

They minimise, for n rows of features x_i with classes y_i and sample weights v_i of mean 1,

    1/n sum_i v_i (-log P(y_i | x_i)) + l2/2 ||W||^2

in nats, where W are all weights; the intercepts b are not penalised. They differ in P:

    full            P(y | x) = exp(w_y . x + b_y) / sum_c exp(w_c . x + b_c)
    grouped         P(y | x) = P(group of y | x) P(y | group of y, x), both as in "full"
    hierarchical    P(y | x) = product over the path of y of sigmoid(+-(w_l . x + b_l))

With an intercept, dense features are centred during training, and the intercept absorbs the means
afterwards. W and the objective stay the same, but the problem is better conditioned.

`descent` has the solver "sgd". Oracles in tests/naive.py: `regression` for the gradient, `descend`
for the descent.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from w2v_hs.checks import real, shown, warn, whole
from w2v_hs.errors import OptionError
from w2v_hs.options import available_cores
from w2v_hs.progress import display
from w2v_hs.types import Array, Float64, Int64

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils import check_random_state
    from sklearn.utils.class_weight import compute_class_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError:
    raise ImportError(
        "w2v_hs.classifier needs scikit-learn 1.6 or newer: pip install 'w2v-hs[classifier]'"
    ) from None

# (n, d) numbers: dense, or CSR of SciPy, which has no types.
Features: TypeAlias = Any

_Method = TypeVar("_Method", bound=Callable[..., Any])


def restores_on_failure(method: _Method) -> _Method:
    """Decorator of what fits an estimator: if it raises, the estimator is as it was before.

    The method must not change attributes in place.
    """

    @wraps(method)
    def restoring(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = vars(self).copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__ = before
            raise

    return cast(_Method, restoring)


@dataclass
class Data:
    """Rows to learn from."""

    X: Features  # float32 or float64
    labels: Int64  # (n,): places in `classes_`
    weights: Float64  # (n,): of the samples, times those of the classes

    def rows(self, chosen: Int64) -> "Data":
        """Some of the rows."""
        return Data(self.X[chosen], self.labels[chosen], self.weights[chosen])


class Classifier(ClassifierMixin, BaseEstimator):
    """Base of the estimators: checks of parameters and data, methods on log-probabilities."""

    _COST: ClassVar[float] = 1.0  # the default C = 1 / (l2 n)
    l2: float | None
    class_weight: Any
    random_state: Any
    n_jobs: int | None
    verbose: bool
    classes_: Array

    def predict_log_proba(self, X: Features) -> Float64:
        """Log-probabilities of all classes.

        Nothing is clipped: they stay finite where the probability itself underflows.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features.

        Returns
        -------
        ndarray of shape (n, m), float64
            log P(class | x) in nats, columns as in `classes_`.
        """
        return _without_nan(self._log_probs(self._checked(X)))

    def predict_proba(self, X: Features) -> Float64:
        """Probabilities of all classes.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features.

        Returns
        -------
        ndarray of shape (n, m), float64
            P(class | x), columns as in `classes_`. Rows sum to 1.
        """
        log_probs = self.predict_log_proba(X)
        return np.exp(log_probs, out=log_probs)

    def predict(self, X: Features) -> Array:
        """The most probable class of each row.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features.

        Returns
        -------
        ndarray of shape (n,)
            Labels; of equally probable ones the first in `classes_`.
        """
        best, log_probs = self._best(self._checked(X), 1)
        _without_nan(log_probs)
        labels: Array = self.classes_[best[:, 0]]
        return labels

    def top_k(self, X: Features, k: int) -> tuple[Array, Float64]:
        """The k most probable classes of each row.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features.
        k : int
            Number of classes, from 1 to m.

        Returns
        -------
        labels : ndarray of shape (n, k)
            The most probable first; of equally probable ones the first in `classes_`.
        probabilities : ndarray of shape (n, k), float64
            Their probabilities.

        Raises
        ------
        OptionError
            k is outside its range.
        """
        X = self._checked(X)
        best, log_probs = self._best(X, whole("k", k, 1, len(self.classes_)))
        return self.classes_[best], np.exp(_without_nan(log_probs))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _log_probs(self, X: Features) -> Float64:
        """(n, m): log P of all classes."""
        raise NotImplementedError

    def _best(self, X: Features, k: int) -> tuple[Int64, Float64]:
        """(n, k) each: the most probable classes and their log P."""
        raise NotImplementedError

    # ---- data -----------------------------------------------------------------------------------

    def _features(self, X: Features, y: Any = "no_validation", **options: Any) -> Any:
        """X, and y if given, as scikit-learn checks them."""
        found = validate_data(
            self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32], order="C", **options
        )
        X, *rest = found if isinstance(found, tuple) else (found,)
        if not isinstance(X, np.ndarray):
            if X.shape[1] >= 2**31:
                raise OptionError(f"X has {X.shape[1]:,} features: expected fewer than 2^31")
            if not X.has_canonical_format:  # the kernels need columns in order
                X = X.copy()
                X.sum_duplicates()
        return (X, *rest) if rest else X

    def _checked(self, X: Features) -> Features:
        check_is_fitted(self)
        return self._features(X, reset=False)

    def _data(
        self,
        X: Features,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
        classes: Array | None = None,
        reset: bool = True,
    ) -> Data:
        """Checked rows, without those of weight 0; sets `classes_` unless the classes are given."""
        X, labelled = self._features(X, y, reset=reset)
        y = np.asarray(labelled)
        try:
            check_classification_targets(y)
        except TypeError:
            raise OptionError("y holds bytes or labels that cannot be sorted; make them str") from None
        if classes is None:
            classes, labels = np.unique(y, return_inverse=True)
        else:
            labels = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
            if (classes[labels] != y).any():
                found = shown(y[np.argmax(classes[labels] != y)], 60)
                raise OptionError(
                    f"y holds {found}, which is not among the {len(classes)} classes given in the first "
                    "call of partial_fit: give all of them there"
                )
        if len(classes) < 2:
            raise OptionError(f"y holds one class, {shown(classes[0], 60)}: need at least 2 classes")
        weights = self._row_weights(sample_weight, X)
        if self.class_weight is not None:
            weights = weights * self._class_weights(y, classes, weights)[labels]
            _check_sum(weights)
        self.classes_ = classes
        if (weights == 0).any():  # as if the row were not there
            return Data(X, labels, weights).rows(np.flatnonzero(weights))
        return Data(X, labels, weights)

    def _row_weights(self, sample_weight: npt.ArrayLike | None, X: Features) -> Float64:
        """(n,): the sample weights, by default 1."""
        weights: Float64 = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        _check_sum(weights)
        return weights

    def _class_weights(self, y: Array, classes: Array, weights: Float64) -> Float64:
        """(m,): the weight of each class."""
        expected = "None, 'balanced' or a dict of a weight, not negative, for each of some labels"
        try:
            found: Float64 = compute_class_weight(
                self.class_weight, classes=classes, y=y, sample_weight=weights
            )
        except (ValueError, TypeError):
            raise self._invalid("class_weight", expected) from None
        if not (np.isfinite(found) & (found >= 0)).all():
            raise self._invalid("class_weight", expected)
        return found

    def _centred(
        self, X: Features, shares: Float64, centre: bool = True
    ) -> tuple[Features, Float64, Float64]:
        """Features, what remains to be subtracted from them, and their means, in float64.

        The means are 0 without an intercept, and unless `centre`. shares (n,): of the rows; their
        sum is 1. Dense features are copied; sparse ones stay as they are.
        """
        means = np.zeros(X.shape[1])
        if centre and self.fit_intercept:
            means = np.asarray(X.T @ shares, np.float64)
            if isinstance(X, np.ndarray):  # no weight may fit what rounding leaves of a constant
                means = np.where((X[0] == X).all(axis=0), X[0], means)
        if isinstance(X, np.ndarray):
            return (X - means).astype(X.dtype), np.zeros_like(means), means
        return X, means, means

    # ---- parameters -----------------------------------------------------------------------------

    def _invalid(self, name: str, expected: str) -> OptionError:
        """The error for a parameter, in the words of scikit-learn."""
        try:
            found = " ".join(repr(getattr(self, name)).split())
        except ValueError:  # an int of thousands of digits
            found = f"an object of type {type(getattr(self, name)).__name__}"
        return OptionError(
            f"The {name!r} parameter of {type(self).__name__} must be {expected}. "
            f"Got {shown(found, 60)} instead."
        )

    def _whole(self, name: str, low: int, high: int) -> int:
        try:
            return whole(name, getattr(self, name), low, high)
        except OptionError:
            raise self._invalid(name, f"an int in the range [{low}, {high}]") from None

    def _real(self, name: str, low: float, expected: str, high: float = math.inf) -> float:
        try:
            return real(name, getattr(self, name), low, high, expected)
        except OptionError:
            raise self._invalid(name, expected) from None

    def _one_of(self, name: str, choices: tuple[str, ...]) -> str:
        value = getattr(self, name)
        if not isinstance(value, str) or value not in choices:
            raise self._invalid(name, " or ".join(map(repr, choices)))
        return value

    def _penalty(self, total: float) -> float:
        """`l2`, by default 1 over `_COST` times the sum of the sample weights."""
        if self.l2 is None:
            return 1.0 / (self._COST * total)
        return self._real("l2", 0.0, "None or a float in the range [0, inf)")

    def _seed(self) -> int:
        """A number of 31 bits, by `random_state`."""
        try:
            return int(check_random_state(self.random_state).randint(2**31 - 1))
        except ValueError:
            expected = "None, an int in the range [0, 4294967295] or a numpy.random.RandomState"
            raise self._invalid("random_state", expected) from None

    def _threads(self) -> int:
        if self.n_jobs is None:
            return 1
        if not isinstance(self.n_jobs, (int, np.integer)) or isinstance(self.n_jobs, bool) or not self.n_jobs:
            raise self._invalid("n_jobs", "None, an int of at least 1, or a negative int")
        jobs = int(self.n_jobs)
        return jobs if jobs > 0 else max(1, available_cores() + 1 + jobs)  # as joblib has it

    @contextmanager
    def _pool(self) -> Iterator[ThreadPoolExecutor]:
        """`n_jobs` threads, beside which BLAS starts none."""
        threads = self._threads()
        with threadpool_limits(1), ThreadPoolExecutor(threads, type(self).__name__) as pool:
            yield pool

    @contextmanager
    def _progress(self, step: str, figure: str) -> Iterator[Callable[[int, float], None]]:
        """What reports the value of a figure after each step, if `verbose`."""
        with display(bool(self.verbose)) as shown_on:
            yield lambda done, value: shown_on.fit(done, f"{step} {done}  {figure} {value:.4f}")


def _without_nan(log_probs: Float64) -> Float64:
    """Log-probabilities; `OptionError` for NaN, which are differences of infinite scores."""
    if np.isnan(log_probs).any():
        raise OptionError("the scores of X overflow: give features of a smaller scale")
    return log_probs


def _check_sum(weights: Float64) -> None:
    """Raise `OptionError` for weights whose sum leaves the range in which shares are exact."""
    with np.errstate(over="ignore"):
        total = float(weights.sum())
    if not 1e-100 <= total <= 1e100:
        raise OptionError(
            f"the weights of the rows sum to {total:g}: expected from 1e-100 to 1e+100; scale them"
        )


def warn_not_converged(message: str) -> None:
    """Warn of a solver that ended early, with the line that called `fit`, also by scikit-learn."""
    warn(message, ConvergenceWarning, ("w2v_hs.", "sklearn."))
