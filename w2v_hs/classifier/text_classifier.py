"""The text classifier as a scikit-learn estimator."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2v_hs.checks import whole
from w2v_hs.classifier.text import file
from w2v_hs.classifier.text.evaluation import TextEvaluation, accuracy, evaluate
from w2v_hs.classifier.text.model import TextModel
from w2v_hs.classifier.text.options import LabelTree, Loss, TextOptions
from w2v_hs.classifier.text.training import train
from w2v_hs.errors import OptionError
from w2v_hs.model import Model
from w2v_hs.options import BUCKETS, available_cores
from w2v_hs.progress import display
from w2v_hs.types import Array, Float64
from w2v_hs.vectors import Vectors, load_vectors

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError:
    raise ImportError(
        "TextClassifier needs scikit-learn 1.6 or newer: pip install 'w2v-hs[classifier]'"
    ) from None


class TextClassifier(ClassifierMixin, BaseEstimator):
    """Classifier of texts: the mean of the vectors of words and n-grams predicts the label.

    The method of fastText's supervised mode (Joulin et al. 2017), with exact gradients; texts come
    in a new random order in each epoch. `w2v_hs.kernels.text_classifier` has the formulas.

    Parameters
    ----------
    loss : {"auto", "softmax", "hs"}, default="auto"
        The full softmax, or hierarchical softmax over a tree of the labels, whose time grows with
        the logarithm of their number; "auto": the first up to 1,000 labels.
    tree : {"learned", "huffman"}, default="learned"
        For hierarchical softmax: a tree that splits labels by the mean vectors of their texts,
        learned after the first epoch, or the one with the shortest expected path.
    dim : int or None, default=None
        Dimension of the vectors. None: 100, or that of `pretrained`.
    word_ngrams : int, default=1
        Longest n-grams of words that have vectors; 1: words alone.
    subwords : (int, int) or None, default=None
        Shortest and longest n-grams of characters that have vectors; None: none.
    buckets : int, default=2_000_000
        Number of buckets into which n-grams are hashed. Only those in use have vectors.
    epochs : int, default=10
        Passes over the texts.
    lr : float, default=1.0
        Learning rate at the start; it falls linearly to 0.
    min_count : int, default=1
        Words with fewer occurrences are left out.
    lowercase : bool, default=False
        Convert texts to lower case.
    tokenize : str, default="none"
        How texts are split into words: "none", at white space; "words", as raw text; or one of
        NLTK's tokenizers, as in `w2v_hs.train`.
    pretrained : str, Path, Vectors, Model or None, default=None
        Vectors with which words begin: a file that `load_vectors` reads, vectors, or a model.
        All of their words are in the classifier, so that it knows words that no training text has.
    seed : int, default=1
        Seed of all random numbers. With one thread, the same seed gives the same bytes.
    n_jobs : int or None, default=None
        Most threads; fewer where there is little text. None: 1; -1: one per core.
    verbose : bool, default=False
        Whether to show progress.

    Attributes
    ----------
    classes_ : ndarray of shape (m,)
        Labels, sorted.
    losses_ : list of float
        Mean loss of each epoch in nats a text, measured just before the step that takes the text.
    model_ : TextModel
        Words, vectors and output vectors.

    Examples
    --------
    >>> texts, labels = read_labelled("train.txt")
    >>> clf = TextClassifier(word_ngrams=2, tokenize="words", lowercase=True).fit(texts, labels)
    >>> clf.predict(["a film to remember"])
    """

    def __init__(
        self,
        *,
        loss: Loss = "auto",
        tree: LabelTree = "learned",
        dim: int | None = None,
        word_ngrams: int = 1,
        subwords: tuple[int, int] | None = None,
        buckets: int = BUCKETS,
        epochs: int = 10,
        lr: float = 1.0,
        min_count: int = 1,
        lowercase: bool = False,
        tokenize: str = "none",
        pretrained: str | Path | Vectors | Model | None = None,
        seed: int = 1,
        n_jobs: int | None = None,
        verbose: bool = False,
    ):
        self.loss = loss
        self.tree = tree
        self.dim = dim
        self.word_ngrams = word_ngrams
        self.subwords = subwords
        self.buckets = buckets
        self.epochs = epochs
        self.lr = lr
        self.min_count = min_count
        self.lowercase = lowercase
        self.tokenize = tokenize
        self.pretrained = pretrained
        self.seed = seed
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Iterable[Any], y: Iterable[Any]) -> Self:
        """Train on texts with labels.

        Parameters
        ----------
        X : iterable of str
            n texts.
        y : iterable of length n
            The label of each text, of any sortable kind, or a tuple or list of labels of each; of
            several labels each epoch trains one, drawn at random.

        Returns
        -------
        self

        Raises
        ------
        OptionError
            A parameter is outside its range, X holds anything but texts, or y holds a single label
            or not as many as there are texts.
        VocabularyError
            No word occurs `min_count` times.
        DivergedError
            The loss becomes infinite or NaN, or ends far above that of guesses.
        FormatError
            The file of `pretrained` vectors cannot be read.
        """
        given = {
            field.name: getattr(self, field.name) for field in fields(TextOptions) if field.name != "threads"
        }
        options = TextOptions(threads=self._threads(), **given)
        pretrained = _vectors(self.pretrained)
        with display(bool(self.verbose)) as bars:
            model = train(X, y, options, pretrained, bars)
        self._take(model)
        return self

    def predict(self, X: Iterable[Any]) -> Array:
        """The most probable label of each text.

        Parameters
        ----------
        X : iterable of str
            n texts. Of words and n-grams that no training text held nothing is known.

        Returns
        -------
        ndarray of shape (n,)
            Labels; of equally probable ones the first in `classes_`.
        """
        labels: Array = self.top_k(X, 1)[0][:, 0]
        return labels

    def predict_log_proba(self, X: Iterable[Any]) -> Float64:
        """Log-probabilities of all labels.

        Parameters
        ----------
        X : iterable of str
            n texts.

        Returns
        -------
        ndarray of shape (n, m), float64
            log P(label | text) in nats, columns as in `classes_`; never clipped.
        """
        check_is_fitted(self)
        return self.model_.log_probs(self.model_.hidden(X))

    def predict_proba(self, X: Iterable[Any]) -> Float64:
        """Probabilities of all labels.

        Parameters
        ----------
        X : iterable of str
            n texts.

        Returns
        -------
        ndarray of shape (n, m), float64
            P(label | text), columns as in `classes_`. Rows sum to 1.
        """
        probabilities: Float64 = np.exp(self.predict_log_proba(X))
        return probabilities

    def top_k(self, X: Iterable[Any], k: int) -> tuple[Array, Float64]:
        """The k most probable labels of each text, exactly; on a tree by best-first search.

        Parameters
        ----------
        X : iterable of str
            n texts.
        k : int
            Number of labels, from 1 to m.

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
        check_is_fitted(self)
        best, log_probs = self.model_.best(self.model_.hidden(X), k)
        return self.classes_[best], np.exp(log_probs)

    def evaluate(self, X: Iterable[Any], y: Iterable[Any], k: int = 1) -> TextEvaluation:
        """Precision and recall of the k most probable labels, as in fastText's `test`; log loss.

        Parameters
        ----------
        X : iterable of str
            n texts.
        y : iterable of length n
            The label of each, or a tuple or list of labels of each.
        k : int, default=1
            Number of labels to predict.

        Returns
        -------
        TextEvaluation
        """
        check_is_fitted(self)
        return evaluate(self.model_, X, y, k)

    def score(self, X: Iterable[Any], y: Iterable[Any], sample_weight: npt.ArrayLike | None = None) -> float:
        """Accuracy: the share of texts whose most probable label is theirs, or one of theirs.

        Parameters
        ----------
        X : iterable of str
            n texts.
        y : iterable of length n
            The label of each, or a tuple or list of labels of each.
        sample_weight : array-like of shape (n,), default=None
            Weights of the texts.

        Returns
        -------
        float

        Raises
        ------
        OptionError
            There are no texts, not as many labels, or the weights do not fit them.
        """
        return accuracy(self.predict(X).tolist(), y, sample_weight)

    def save(self, path: str | Path) -> None:
        """Write the classifier to a `.safetensors` file, which `load` and `w2v-hs classify` read.

        Parameters
        ----------
        path : str or Path
            The file. On failure an existing one stays as it is.

        Raises
        ------
        OptionError
            The labels are neither all str nor all int, or one is empty.
        OutputError
            The file cannot be written.
        """
        check_is_fitted(self)
        file.save(self.model_, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a classifier that `save` or `w2v-hs classify train` wrote.

        Parameters
        ----------
        path : str or Path
            The file.

        Raises
        ------
        FormatError
            The file is missing, damaged, or holds something else.
        """
        model = file.load(path)
        given = {field.name: getattr(model.options, field.name) for field in fields(TextOptions)}
        clf = cls(n_jobs=given.pop("threads"), **given)
        clf._take(model)
        return clf

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        return tags

    def _take(self, model: TextModel) -> None:
        """Set what fitting sets."""
        self.model_, self.classes_, self.losses_ = model, model.labels, model.facts["losses"]

    def _threads(self) -> int:
        if self.n_jobs is None:
            return 1
        return available_cores() if self.n_jobs == -1 else whole("n_jobs", self.n_jobs, 1, 1024)


def _vectors(source: str | Path | Vectors | Model | None) -> Vectors | None:
    """The vectors with which words begin."""
    if source is None or isinstance(source, Vectors):
        return source
    if isinstance(source, Model):
        return source.vectors
    if isinstance(source, (str, Path)):
        return load_vectors(source)
    raise OptionError(f"pretrained is of type {type(source).__name__}: expected a path, vectors or a model")
