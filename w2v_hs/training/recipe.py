"""The steps from text to model: read the text, make the first tree, train."""

import platform
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from w2v_hs.checks import option, warn
from w2v_hs.kernels import tokens
from w2v_hs.kernels.common import padded
from w2v_hs.model.model import Model
from w2v_hs.model.weights import Weights
from w2v_hs.options import Options, Preprocessing, Resolved
from w2v_hs.progress import Display
from w2v_hs.text.corpus import Corpus, read_corpus, resampled
from w2v_hs.text.tokenizing import warn_of_raw_text
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.text.windows import check_whole
from w2v_hs.text.word_ids import TOKEN_LISTS
from w2v_hs.training.loop import TrainingLoop, check_softmax
from w2v_hs.training.memory import check_fits, ngram_bytes, peak_bytes, run_bytes
from w2v_hs.training.observers.checkpoint import CheckpointSettings, SavedRun
from w2v_hs.training.observers.epochs import AfterEpoch, Callbacks, listed
from w2v_hs.training.observers.holdout import Holdout, set_aside
from w2v_hs.training.observers.interruption import Checkpointer, StopSignals
from w2v_hs.training.start import Held, Start
from w2v_hs.tree.tree import Tree
from w2v_hs.tree.user_trees import Codes, build_tree
from w2v_hs.types import NestedTree, Texts
from w2v_hs.vectors.subwords import Ngrams, choose_ngrams
from w2v_hs.vectors.vectors import Vectors
from w2v_hs.version import __version__

SMALL_TEXT = 2_000_000  # words; docs/options.md says what suits such a text


class ReadText(Protocol):
    """A text that was read, in one process or on a cluster."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The words that were kept."""

    def facts(self) -> dict[str, Any]:
        """What a model file says of it."""


def read_text(
    corpus: Texts,
    options: Resolved,
    vocabulary: Vocabulary | None,
    preprocessing: Preprocessing,
    shows: Display,
    extend: bool = False,
) -> Corpus:
    """Read and encode a corpus.

    Without `vocabulary`, one is counted; with `extend`, words that occur often enough join it.
    """
    shows.step("reading")  # after a moment of compiling, where that is due
    tokens.warm_up()
    text = read_corpus(
        corpus,
        min_count=options.min_count,
        max_vocab=options.max_vocab,
        vocabulary=vocabulary,
        extend=extend,
        preprocessing=preprocessing,
        threads=options.threads,
        progress=shows.read,
    )
    check_whole(text, options)
    if vocabulary is None:
        words = [word for word in text.vocabulary.as_given if isinstance(word, str)]
        warn_of_raw_text(words, text.names == [TOKEN_LISTS])
    return text


def make_tree(
    vocabulary: Vocabulary, options: Resolved, tree: Codes | NestedTree | None, shows: Display
) -> Tree | None:
    """The tree that training begins with; None for the full softmax."""
    if options.loss == "softmax":
        check_softmax(len(vocabulary), options.dim)
        return None
    shows.step("tree")
    return build_tree(tree, options.tree, options.tree_order, vocabulary, options.seed)


def train_model(
    text: Corpus,
    tree: Tree | None,
    options: Resolved,
    shows: Display,
    settings: CheckpointSettings | None = None,
    saved: SavedRun | None = None,
    callbacks: Callbacks = (),
    start: Start | None = None,
    ngrams: Ngrams | None = None,
    signals: StopSignals | None = None,
) -> Model:
    """Train from the beginning, with the weights of `start` if any, or from where `saved` was.

    With `options.resample` it trains on a bootstrap of the text. ngrams: those of
    `make_ngrams`, where they are known. signals: as in `Checkpointer`.
    """
    words = len(text.vocabulary)
    start = saved.start if saved else start
    ngrams = start.ngrams if start else ngrams or make_ngrams(text.vocabulary, options)
    need = _check_memory(text, options, ngrams, start is not None)
    holdout = None
    if options.holdout:
        text, aside = set_aside(text, options.holdout, options.seed)
        earlier = (saved.results, saved.best) if saved is not None else ((), None)
        holdout = Holdout(aside, options, shows.note, *earlier)
    if options.resample:
        text = resampled(text, options.seed)
    if options.replicas == 1:
        shows.note(f"{words:,} words, {len(text.ids):,} tokens; about {need / 1e6:,.0f} MB of memory")
    shows.step("compiling")
    held, facts = (start.held, start.facts) if start else (Held(), {})
    model_of = partial(model_of_weights, text, options, holdout, facts=facts)
    after_epoch = AfterEpoch(listed(callbacks), model_of, holdout)
    with Checkpointer(settings, model_of, shows, holdout, held=held, signals=signals) as observer:
        weights = TrainingLoop(
            text,
            tree,
            options,
            shows.train,
            after_epoch=after_epoch or None,
            observer=observer,
            start=start,
            position=saved.position if saved else None,
            ngrams=ngrams,
        ).run()
    return model_of(weights)


def warn_of_small_text(model: Model) -> None:
    """Warn if a small text was trained with epochs and window for large ones."""
    words, options, usual = model.provenance["corpus"]["retained_tokens"], model.options, Options()
    if "init" in model.provenance:  # the vectors are good already
        return
    if words < SMALL_TEXT and (options.epochs, options.window) == (usual.epochs, usual.window):
        window = "" if "compass" in model.provenance else f" and {option('window', 10)}"  # it is the model's
        warn(f"a small text ({words:,} words): for better vectors try {option('epochs', 20)}{window}")


def make_ngrams(vocabulary: Vocabulary, options: Resolved) -> Ngrams | None:
    """The n-grams of the words, if the options ask for them."""
    if options.subwords is None:
        return None
    frequencies = vocabulary.kept_frequencies(options.sample)
    return choose_ngrams(vocabulary.words, frequencies, *options.subwords, options.buckets)


def _check_memory(text: Corpus, options: Resolved, ngrams: Ngrams | None, starts: bool) -> int:
    """Bytes that the run is expected to need; `VocabularyError` if they are not available."""
    stride = padded(options.dim)
    copies = 1 if options.patience is None else 2
    matrices = 2 * copies + options.learns_tree + 2 * starts  # weights to begin with stay in memory
    extra = 0
    if ngrams is not None:
        extra = ngram_bytes(text.vocabulary.words, ngrams, stride, copies)
    check_fits(text.vocabulary, stride, matrices, ngrams=extra)
    return run_bytes(len(text.vocabulary), stride, len(text.ids), matrices, extra)


def model_of_weights(
    text: ReadText,
    options: Resolved,
    holdout: Holdout | None,
    weights: Weights,
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> Model:
    """The model of a run's weights, at its end or in the middle; facts: more for its provenance."""
    words, dim = text.vocabulary, options.dim
    more = dict(facts) | (holdout.provenance() if holdout else {})
    return Model(
        vectors=Vectors(words.as_given, weights.vectors[:, :dim], weights.subwords(dim)),
        outputs=weights.outputs[: len(words) - (weights.tree is not None), :dim],
        tree=weights.tree,
        vocabulary=words,
        options=options,
        losses=weights.losses,
        provenance=provenance(text, weights) | more,
        holdout_losses=[result.nats for result in holdout.results] if holdout else [],
    )


def provenance(text: ReadText, weights: Weights) -> dict[str, Any]:
    """What a model file says of the run: text, versions, figures."""
    import numba

    return {
        "corpus": text.facts(),
        "versions": {
            "w2v_hs": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "numba": numba.__version__,
        },
        "training_seconds": weights.seconds,
        "predictions": weights.predictions,
        "peak_memory_bytes": peak_bytes(),
    }
