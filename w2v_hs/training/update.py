"""More text for a trained model.

What the model knew moves little: rows that were trained before keep most of their place
(`tree.growth.damp_in_place`).
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from w2v_hs.kernels.common import padded
from w2v_hs.kernels.subwords import Parts
from w2v_hs.model.model import Model
from w2v_hs.model.new_words import Parameters, extended
from w2v_hs.model.weights import Weights
from w2v_hs.options import Preprocessing, Resolved
from w2v_hs.progress import Display, display
from w2v_hs.text.corpus import Corpus
from w2v_hs.training.loop import Observer, TrainingLoop
from w2v_hs.training.memory import check_fits, ngram_bytes
from w2v_hs.training.observers.checkpoint import CheckpointSettings, SavedRun, UpdateStart
from w2v_hs.training.observers.epochs import AfterEpoch, Callbacks, listed
from w2v_hs.training.observers.interruption import Checkpointer
from w2v_hs.training.recipe import provenance, read_text
from w2v_hs.training.start import Start
from w2v_hs.tree.growth import damp_in_place
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float64, Int64, Texts
from w2v_hs.vectors.vectors import Vectors


def update_options(options: Resolved, **given: Any) -> Resolved:
    """The options of a run that updates a model of `options`.

    What is None in `given` is the model's; the learning rate is half of the model's.
    """
    # The tree grows, and is not learned anew.
    settled = {"tree": "given" if options.loss == "hs" else options.tree, "tree_order": "frequency"}
    defaults = {"lr": options.lr / 2, "threads": None, "holdout": 0.0, "patience": None, "replicas": 1}
    chosen = {name: value for name, value in given.items() if value is not None}
    return replace(options, **defaults | chosen | settled).resolved()


def update(
    model: Model,
    corpus: Texts,
    preprocessing: Preprocessing,
    *,
    new_words: bool,
    settings: CheckpointSettings | None = None,
    callbacks: Callbacks = (),
    show: bool | Display = False,
    **given: Any,
) -> None:
    """`Model.update`; `given` are options as `update_options` takes them.

    Raises as `Model.update`; with `settings` (where checkpoints go, in the caller's
    `new_checkpoint`) also `Interrupted`.
    """
    model.check_finite("update")
    options = update_options(model.options, **given)
    with display(show) as shows:
        # The words of the model stay; no other word occurs often enough where none may join.
        reading = replace(options, min_count=options.min_count if new_words else 2**62)
        text = read_text(corpus, reading, model.vocabulary, preprocessing, shows, extend=True)
        start, tree = make_room(model, text, options, shows)
        train_update(model, start, text, tree, shows, settings, callbacks=callbacks)


def make_room(
    model: Model, text: Corpus, options: Resolved, shows: Display
) -> tuple[UpdateStart, Tree | None]:
    """The weights and the tree that an update begins with; the model stays as it is."""
    stride, extra = padded(options.dim), 0
    if model.ngrams is not None:
        words = text.vocabulary.words
        extra = ngram_bytes(words, model.ngrams.extended(words), stride, copies=3)
    check_fits(text.vocabulary, stride, 4, ngrams=extra)
    shows.step("tree")
    old = model.vocabulary
    new = extended(model.parameters, text.vocabulary, model.options.seed)
    vocabulary, ngrams = new.vocabulary, new.subwords.ngrams if new.subwords else None
    shows.note(f"words: {len(vocabulary) - len(old):,} new, {len(vocabulary):,} in all")
    known = np.array([old.index.get(word, -1) for word in vocabulary.words])
    added = vocabulary.counts - np.where(known < 0, 0, old.counts[known])
    return UpdateStart(options, new.inputs, new.outputs, added, text.checksum, ngrams, text.names), new.tree


def train_update(
    model: Model,
    start: UpdateStart,
    text: Corpus,
    tree: Tree | None,
    shows: Display,
    settings: CheckpointSettings | None = None,
    saved: SavedRun | None = None,
    callbacks: Callbacks = (),
) -> None:
    """Train a model with more text from the beginning, or from where `saved` was.

    The model changes at the very end, if all went well.
    """
    shows.step("compiling")
    model_of = partial(_model_so_far, model, start, text)
    observed: AbstractContextManager[Observer] = nullcontext(Observer())  # Ctrl-C stops at once
    if settings is not None:
        observed = Checkpointer(settings, model_of, shows, update=start)
    with observed as observer:
        weights = TrainingLoop(
            text,
            tree,
            start.options,
            shows.train,
            after_epoch=AfterEpoch(listed(callbacks), model_of) or None,
            observer=observer,
            start=saved.start if saved else Start(start.inputs, start.outputs),
            position=saved.position if saved else None,
            ngrams=start.ngrams,
        ).run()
    _settle_down(start, text, weights)
    dim = start.options.dim
    vectors, outputs = weights.vectors[:, :dim], weights.outputs[: len(start.outputs), :dim]
    model.become(Parameters(text.vocabulary, vectors, outputs, weights.tree, weights.subwords(dim)))
    model.provenance.setdefault("updates", []).append(
        provenance(text, weights) | {"losses": weights.losses, "lr": start.options.lr}
    )


def _settle_down(start: UpdateStart, text: Corpus, weights: Weights) -> None:
    """Let rows that were trained before move only by the share of their occurrences that is new."""
    dim, total = start.options.dim, text.vocabulary.counts
    shares = inputs = start.added / total
    if start.ngrams is not None:
        inputs = np.concatenate([shares, ngram_shares(weights.parts, start.added, total)])
    damp_in_place(start.inputs, weights.inputs[:, :dim], inputs)
    weights.compose()
    if weights.tree is not None:
        shares = weights.tree.mass_below(start.added) / weights.tree.mass_below(total)
        shares[~start.outputs.any(axis=1)] = 1.0  # nodes that are new, of split leaves
    damp_in_place(start.outputs, weights.outputs[: len(start.outputs), :dim], shares)


def ngram_shares(parts: Parts, added: Int64, total: Int64) -> Float64:
    """The share of the occurrences of each n-gram, in all words, that is new."""
    sizes, words = np.diff(parts.offsets), len(total)
    new = np.bincount(parts.rows, np.repeat(added.astype(np.float64), sizes))[words:]
    shares: Float64 = new / np.bincount(parts.rows, np.repeat(total.astype(np.float64), sizes))[words:]
    return shares


def _model_so_far(model: Model, start: UpdateStart, text: Corpus, weights: Weights) -> Model:
    """The model in the middle of an update."""
    dim = model.options.dim
    return replace(
        model,
        vectors=Vectors(text.vocabulary.as_given, weights.vectors[:, :dim], weights.subwords(dim)),
        outputs=weights.outputs[: len(start.outputs), :dim],
        tree=weights.tree,
        vocabulary=text.vocabulary,
    )
