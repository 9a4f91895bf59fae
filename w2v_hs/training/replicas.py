"""Runs that differ in their seeds alone, merged into one model.

What two runs disagree on is noise. Each run is rotated onto the first (orthogonal Procrustes:
Schönemann 1966) and the mean taken, which keeps what they share. The inputs then stay as they are
while the tree of the first run learns to predict from them, on a part of the text. With `resample`
each run has a bootstrap of the text, so that they also disagree on what the choice of sentences
decides (Antoniak and Mimno 2018).

The runs share the text and the first tree, but each learns a tree of its own: the tree is a part of
the noise. With that of the first run, others would agree too well (`benchmarks/stability.py`).
Nor do they share the beginning of a run: from ten runs that part after 15% of it, intervals cover
an independent run in 0.83 of the cases instead of 0.95, and the mean of such runs in 0.57.

Runs train side by side, with a thread each where threads and memory allow it: threads that share
weights wait for each other, those of different runs do not.
"""

import copy
import signal
import time
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from w2v_hs.checks import warn, warnings_kept
from w2v_hs.errors import OptionError
from w2v_hs.files.memory import available_bytes
from w2v_hs.kernels.common import padded
from w2v_hs.model.model import Model
from w2v_hs.model.weights import Weights
from w2v_hs.options import Options, Resolved
from w2v_hs.progress import Display
from w2v_hs.text.corpus import Corpus, thinned
from w2v_hs.training.loop import TrainingLoop
from w2v_hs.training.memory import check_fits, model_bytes, ngram_bytes, run_bytes
from w2v_hs.training.observers.holdout import Holdout, set_aside
from w2v_hs.training.observers.interruption import Checkpointer, StopSignals
from w2v_hs.training.recipe import make_ngrams, model_of_weights, train_model
from w2v_hs.training.start import Held, Start
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32
from w2v_hs.vectors.rotation import directions, rotation
from w2v_hs.vectors.subwords import Ngrams

# The part of the text that the tree is fitted to: more does not lower the loss of held-out text.
# With 3 runs of 8M words of Wikipedia (2 epochs), it is 7.429 nats after the whole text, 7.429,
# 7.420, 7.411 and 7.425 after a half, a quarter, an eighth and a 16th; with 2M words (5 epochs)
# 7.304, 7.307, 7.317, 7.316 and 7.313.
FIT_SHARE = 1 / 8
FIT_TOKENS = 1_000_000  # at least
# Matrices held beside those of the runs that train: two of the first run and two of one that has
# ended, the sum, the directions of both, what is added, and two as they are written.
MERGING = 10
LOOK = 0.1  # seconds without a look at signals
Result = TypeVar("Result")


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
    models: Generator[Model] | None = None,
) -> Model:
    """Train `options.replicas` runs, with the seeds from `options.seed` on, and merge them.

    folder: made to save each run when it ends, as 1.safetensors and so on. fit_tokens: of the
    text to which the tree is fitted, or `FIT_SHARE` of it if that is more. models: those of the
    runs, in order, where others train them; Ctrl-C is then theirs.
    """
    holdout, started = None, time.perf_counter()
    if options.holdout:
        text, aside = set_aside(text, options.holdout, options.seed)
        holdout = Holdout(aside, options, shows.note)
    numbers = (signal.SIGINT,) if models is None else ()
    with StopSignals(numbers, shows.note) as signals:
        if models is None:
            models = _side_by_side(text, tree, options, shows, signals)
        with closing(models):
            first, rows, runs, predictions = _mean(models, options, folder)
        seconds = time.perf_counter() - started
        shows.part("fitting the tree to the mean of the runs")
        part = thinned(text, max(fit_tokens, int(FIT_SHARE * len(text.ids))))
        weights = _fit_outputs(first, rows, text, part, options, shows, holdout, signals if numbers else None)
    weights.seconds += seconds
    weights.predictions += predictions
    return _merged(first, weights, text, options, holdout, runs)


def train_replica(
    text: Corpus,
    tree: Tree | None,
    options: Resolved,
    number: int,
    shows: Display,
    ngrams: Ngrams | None = None,
    signals: StopSignals | None = None,
) -> Model:
    """Train run `number`, from 0, of `options.replicas`; ngrams, signals: as in `train_model`."""
    shows.part(f"run {number + 1} of {options.replicas}")
    each = replace(options, seed=options.seed + number, holdout=0.0)
    return train_model(text, tree, each, shows, ngrams=ngrams, signals=signals)


def _side_by_side(
    text: Corpus, tree: Tree | None, options: Resolved, shows: Display, signals: StopSignals
) -> Generator[Model]:
    """The models of all runs in order; as many train at once as threads and memory allow."""
    ngrams = make_ngrams(text.vocabulary, options)
    most = _most_at_once(text, options, ngrams, shows)

    def train(number: int, threads: int) -> tuple[Model, list[str]]:
        with warnings_kept() as kept:
            each, own = replace(options, threads=threads), copy.copy(shows)
            return train_replica(text, tree, each, number, own, ngrams, signals), kept

    from threadpoolctl import threadpool_limits

    done = 0
    with threadpool_limits(1):  # each run sets it and sets it back, but they overlap
        while done < options.replicas:
            at_once = runs_at_once(options.replicas - done, options.threads, most)
            end = options.replicas - (options.replicas - done) % at_once
            with ThreadPoolExecutor(at_once, "replica") as pool:
                threads = options.threads // at_once
                futures = [pool.submit(train, number, threads) for number in range(done, end)]
                try:
                    for model, kept in _in_order(futures):
                        for message in kept:
                            warn(message)
                        yield model
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    signals.received = signals.received or signal.SIGINT  # the other runs end as by Ctrl-C
                    raise
            done = end


def runs_at_once(runs: int, threads: int, most: int) -> int:
    """How many runs train at once: at most `most`, and so many that no thread is idle."""
    return max(n for n in range(1, max(1, min(runs, threads, most)) + 1) if threads % n == 0)


def _in_order(futures: list[Future[Result]]) -> Iterator[Result]:
    """Results in order, which this list does not keep; an error of any of them at once."""
    while futures:
        wait([future for future in futures if not future.done()], LOOK, FIRST_COMPLETED)
        for error in (future.exception() for future in futures if future.done()):
            if error is not None:
                raise error
        while futures and futures[0].done():
            yield futures.pop(0).result()


def _most_at_once(text: Corpus, options: Resolved, ngrams: Ngrams | None, shows: Display) -> int:
    """How many runs may train at once in the memory that is free; `VocabularyError` if not one."""
    words, stride = text.vocabulary, padded(options.dim)
    extra = 0 if ngrams is None else ngram_bytes(words.words, ngrams, stride, 1)
    matrices, free = 2 + options.learns_tree, available_bytes()
    check_fits(words, stride, MERGING + matrices, free, 4 * extra)
    each = model_bytes(len(words), stride, matrices) + extra
    rest = run_bytes(len(words), stride, len(text.ids), MERGING, 3 * extra)
    most = options.threads if free is None else max(1, (free - rest) // each)
    at_once = runs_at_once(options.replicas, options.threads, most)
    need = (rest + at_once * each) / 1e6
    shows.note(
        f"{len(words):,} words, {len(text.ids):,} tokens; {at_once} of {options.replicas} runs at a time, "
        f"about {need:,.0f} MB of memory"
    )
    return most


def _mean(
    models: Iterator[Model], options: Resolved, folder: Path | None
) -> tuple[Model, Float32, list[dict[str, Any]], int]:
    """The first model, the mean of the inputs of all, their seeds and losses, their predictions.

    folder: as in `train_replicas`.
    """
    first, rows, runs, predictions = None, np.zeros(0, np.float32), [], 0
    for number, model in enumerate(models, 1):
        if folder is not None:
            folder.mkdir(exist_ok=True)
            replace(model, options=replace(model.options, replicas=1)).save(folder / f"{number}.safetensors")
        runs.append({"seed": model.options.seed, "losses": model.losses})
        predictions += model.provenance["predictions"]
        if first is None:
            first, rows = model, model.parameters.inputs.copy()
        else:
            rows += _rotated(model, first)
    assert first is not None
    rows /= np.float32(options.replicas)
    return first, rows, runs, predictions


def _fit_outputs(
    first: Model,
    inputs: Float32,
    text: Corpus,
    part: Corpus,
    options: Resolved,
    shows: Display,
    holdout: Holdout | None,
    signals: StopSignals | None,
) -> Weights:
    """Train the output weights of the first run, for an epoch of a part of the text.

    The inputs stay. signals: as in `Checkpointer`.
    """
    settled: dict[str, Any] = {
        "tree": "given" if options.loss == "hs" else options.tree,
        "tree_order": "frequency",
    }
    fit = replace(options, epochs=1, **settled)

    def model_of(weights: Weights) -> Model:
        return model_of_weights(text, options, holdout, weights)

    with Checkpointer(None, model_of, shows, holdout, signals=signals) as observer:
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
