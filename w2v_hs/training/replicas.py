"""Runs that differ in their seeds alone, merged into one model.

What two runs disagree on is noise. Each run is rotated onto the first (orthogonal Procrustes:
Schönemann 1966) and the mean taken, which keeps what they share. The inputs then stay as they are
while the tree of the first run learns to predict from them, on a part of the text. With `resample`
each run has a bootstrap of the text, so that they also disagree on what the choice of sentences
decides (Antoniak and Mimno 2018).

The runs share the text and the first tree, but each learns a tree of its own: the tree is a part of
the noise. With that of the first run, others would agree too well (`benchmarks/stability.py`).
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from w2v_hs.errors import OptionError
from w2v_hs.model.model import Model
from w2v_hs.model.weights import Weights
from w2v_hs.options import Options, Resolved
from w2v_hs.progress import Display
from w2v_hs.text.corpus import Corpus, resampled, thinned
from w2v_hs.training.loop import TrainingLoop
from w2v_hs.training.observers.holdout import Holdout, set_aside
from w2v_hs.training.observers.interruption import Checkpointer
from w2v_hs.training.recipe import model_of_weights, train_model
from w2v_hs.training.start import Held, Start
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32
from w2v_hs.vectors.rotation import directions, rotation

# The part of the text that the tree is fitted to: more does not lower the loss of held-out text.
# With 3 runs of 8M words of Wikipedia (2 epochs), it is 7.429 nats after the whole text, 7.429,
# 7.420, 7.411 and 7.425 after a half, a quarter, an eighth and a 16th; with 2M words (5 epochs)
# 7.304, 7.307, 7.317, 7.316 and 7.313.
FIT_SHARE = 1 / 8
FIT_TOKENS = 1_000_000  # at least


def check_replicas(options: Options, checkpoint: bool, rounds: bool, callbacks: bool) -> None:
    """Raise `OptionError` for what several runs cannot do."""
    for found, what in (
        (options.patience is not None, "patience: each run would stop at an epoch of its own"),
        (checkpoint, "a checkpoint: only one run can be resumed"),
        (callbacks, "callbacks: they watch a single run"),
        (rounds, "rounds: each trains on one worker, and merges nothing on the way"),
    ):
        if found:
            raise OptionError(f"replicas={options.replicas} with {what}; leave one of them out")


def train_replicas(
    text: Corpus,
    tree: Tree | None,
    options: Resolved,
    shows: Display,
    folder: Path | None = None,
    fit_tokens: int = FIT_TOKENS,
    models: Iterable[Model] | None = None,
) -> Model:
    """Train `options.replicas` runs, with the seeds from `options.seed` on, and merge them.

    folder: made to save each run when it ends, as 1.safetensors and so on. fit_tokens: of the
    text to which the tree is fitted, or `FIT_SHARE` of it if that is more. models: those of the
    runs, in order, where others train them.
    """
    holdout = None
    if options.holdout:
        text, aside = set_aside(text, options.holdout, options.seed)
        holdout = Holdout(aside, options, shows.note)
    first, rows, runs = None, np.zeros(0, np.float32), []
    seconds, predictions = 0.0, 0
    if models is None:
        models = (train_replica(text, tree, options, number, shows) for number in range(options.replicas))
    for number, model in enumerate(models):
        if folder is not None:
            folder.mkdir(exist_ok=True)
            replace(model, options=replace(model.options, replicas=1)).save(
                folder / f"{number + 1}.safetensors"
            )
        runs.append({"seed": model.options.seed, "losses": model.losses})
        seconds += model.provenance["training_seconds"]
        predictions += model.provenance["predictions"]
        if first is None:
            first, rows = model, model.parameters.inputs.copy()
        else:
            rows += _rotated(model, first)
    assert first is not None
    rows /= np.float32(options.replicas)
    shows.part("fitting the tree to the mean of the runs")
    part = thinned(text, max(fit_tokens, int(FIT_SHARE * len(text.ids))))
    weights = _fit_outputs(first, rows, text, part, options, shows, holdout)
    weights.seconds += seconds
    weights.predictions += predictions
    return _merged(first, weights, text, options, holdout, runs)


def train_replica(text: Corpus, tree: Tree | None, options: Resolved, number: int, shows: Display) -> Model:
    """Train run `number`, from 0, of `options.replicas`."""
    shows.part(f"run {number + 1} of {options.replicas}")
    each = replace(options, seed=options.seed + number, holdout=0.0)
    drawn = resampled(text, each.seed) if options.resample else text
    return train_model(drawn, tree, each, shows)


def _fit_outputs(
    first: Model,
    inputs: Float32,
    text: Corpus,
    part: Corpus,
    options: Resolved,
    shows: Display,
    holdout: Holdout | None,
) -> Weights:
    """Train the output weights of the first run, for an epoch of a part of the text.

    The inputs stay.
    """
    settled: dict[str, Any] = {
        "tree": "given" if options.loss == "hs" else options.tree,
        "tree_order": "frequency",
    }
    fit = replace(options, epochs=1, **settled)

    def model_of(weights: Weights) -> Model:
        return model_of_weights(text, options, holdout, weights)

    with Checkpointer(None, model_of, shows, holdout) as observer:
        return TrainingLoop(
            part,
            first.tree,
            fit,
            shows.train,
            after_epoch=holdout.measure if holdout else None,
            observer=observer,
            start=Start(inputs, first.outputs, held=Held(share=1.0)),
            ngrams=first.ngrams,
        ).run()


def _merged(
    first: Model,
    weights: Weights,
    text: Corpus,
    options: Resolved,
    holdout: Holdout | None,
    runs: list[dict[str, Any]],
) -> Model:
    """The merged model; its losses are the means of the runs by epoch, then that of the fit."""
    by_epoch = zip(*(run["losses"] for run in runs), strict=True)
    means = [None if None in losses else float(np.mean(losses)) for losses in by_epoch]
    weights.losses = means + weights.losses
    model = model_of_weights(text, options, holdout, weights)
    model.provenance["replicas"] = runs
    return model


def _rotated(model: Model, first: Model) -> Float32:
    """The inputs of a run, rotated onto the first; to the same bits on any number of cores."""
    from threadpoolctl import threadpool_limits

    matrix = rotation(directions(model.vectors.matrix), directions(first.vectors.matrix))
    with threadpool_limits(1):
        rotated: Float32 = model.parameters.inputs @ matrix
    return rotated
