"""Training on a cluster from text to model: what `training` does in one process."""

import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from w2v_hs.checks import argument, shown, whole
from w2v_hs.errors import CorpusError, OptionError, VocabularyError
from w2v_hs.kernels.common import padded
from w2v_hs.model.model import Model
from w2v_hs.model.weights import Weights
from w2v_hs.options import Options, Preprocessing, Resolved
from w2v_hs.progress import Display
from w2v_hs.progress import display as progress_display
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.training.checkpoint import Checkpoints, Cuts, Keeping, Saved, StopSignals
from w2v_hs.training.cluster import client as cluster
from w2v_hs.training.cluster import shards
from w2v_hs.training.cluster.costs import work_of
from w2v_hs.training.cluster.run import RoundRun, check_options, resolved
from w2v_hs.training.cluster.text import ShardedText, read
from w2v_hs.training.divergence import WORSE, weights_fault
from w2v_hs.training.memory import model_bytes, peak_bytes
from w2v_hs.training.provenance import facts_of
from w2v_hs.tree.tree import Tree
from w2v_hs.tree.user_trees import Codes, build_tree
from w2v_hs.types import NestedTree, Texts
from w2v_hs.vectors.vectors import Vectors


def train_on(
    client: Any,
    corpus: Texts,
    options: Options,
    tree: Codes | NestedTree | None,
    vocabulary: Vocabulary | None,
    preprocessing: Preprocessing,
    keeping: Keeping | None,
    rounds: int | None,
    show: bool,
) -> Model:
    """`training.train_options` on the workers of a `distributed.Client`."""
    check_options(options, preprocessing)
    if rounds is not None:
        whole("rounds", rounds, 1, 1_000_000)
    files = _files(corpus)
    with cluster.faults(client, _advice(keeping)), progress_display(show) as display:
        workers = cluster.check_workers(client)
        run_options = resolved(options, workers)
        display.note(f"{_workers(workers)}; dashboard: {client.dashboard_link}")
        # Four shards a worker at least, so that all have about as much.
        total = sum(file.size or 0 for file in files)
        size = min(max(total // (4 * len(workers)), shards.SMALLEST), shards.LARGEST)
        text = read(client, files, size, run_options, vocabulary, preprocessing, display.read)
        display.step("tree")
        words = text.chosen.vocabulary
        built = build_tree(tree, run_options.tree, run_options.tree_order, words, run_options.seed)
        if rounds is None:
            work = work_of(words, built, sum(text.lengths), run_options)
            rounds = work.rounds(len(workers), run_options.threads)
        if keeping is not None:
            keeping = replace(keeping, cuts=Cuts(size, rounds))
        return _train(client, text, built, run_options, rounds, keeping, display)


def resume_on(client: Any, saved: Saved, corpus: Texts, show: bool) -> Model:
    """`training.resume` on the workers of a `distributed.Client`."""
    model, cuts = saved.model, saved.keeping.cuts
    assert cuts is not None and model.tree is not None  # as of all runs on a cluster
    files = _files(corpus)
    with cluster.faults(client, _advice(saved.keeping)), progress_display(show) as display:
        workers = cluster.check_workers(client)
        display.note(f"{_workers(workers)}; dashboard: {client.dashboard_link}")
        text = read(
            client, files, cuts.shard_bytes, model.options, model.vocabulary,
            saved.keeping.preprocessing, display.read,
        )  # fmt: skip
        began = model.provenance["corpus"].get("sha256")
        if text.checksum != began:
            raise CorpusError(
                f"{', '.join(map(shown, text.names[:3]))}: not the text that the run began with: "
                f"found SHA-256 {text.checksum[:16]}..., expected {str(began)[:16]}...; give the "
                "same text, or train anew"
            )
        return _train(
            client, text, model.tree, model.options, cuts.rounds, saved.keeping, display, saved
        )


def _advice(keeping: Keeping | None) -> Callable[[], str]:
    """What a user can do where the cluster is lost."""

    def advice() -> str:
        if keeping is None or not keeping.path.exists():
            return "start the run again; with checkpoints it could go on"
        return f"to go on: w2v-hs resume {argument(keeping.path)} --scheduler ADDRESS"

    return advice


def _workers(workers: dict[str, int]) -> str:
    return f"{len(workers)} workers, {sum(workers.values())} threads"


def _files(corpus: Texts) -> list[shards.File]:
    """The files of what `train` takes for a corpus, as far as a cluster can read it."""
    texts = [corpus] if isinstance(corpus, (str, Path)) else corpus
    if not isinstance(texts, (list, tuple)) or not all(isinstance(t, (str, Path)) for t in texts):
        raise OptionError(
            f"a corpus of type {type(corpus).__name__} on a cluster: its workers read files; give "
            "paths or addresses such as s3://bucket/folder"
        )
    return [file for text in texts for file in shards.find_files(str(text))]


def _train(
    client: Any,
    text: ShardedText,
    tree: Tree,
    options: Resolved,
    rounds: int,
    keeping: Keeping | None,
    display: Display,
    saved: Saved | None = None,
) -> Model:
    words = text.chosen.vocabulary
    _check_memory(client, words, options)
    display.note(
        f"{len(words):,} words, {sum(text.lengths):,} tokens in {len(text.ids)} shards; "
        f"{rounds} rounds an epoch"
    )
    display.step("compiling")
    run = RoundRun(client, text, tree, options, rounds, saved.position if saved else None)

    def model_of(weights: Weights) -> Model:
        facts = facts_of(text.facts(), weights)
        facts["cluster"] = asdict(run.cost)
        facts["peak_memory_bytes"] = max(client.run(peak_bytes).values(), default=0)
        return Model(
            Vectors(words.words, weights.vectors), weights.outputs, weights.tree, words, options,
            weights.losses, facts,
        )  # fmt: skip

    numbers = (signal.SIGINT, signal.SIGTERM) if keeping is not None else (signal.SIGINT,)
    with StopSignals(numbers, display.note) as signals:
        watch = Checkpoints(keeping, model_of, None, signals, display.note)
        start = (saved.model.vectors.matrix, saved.model.outputs) if saved else None
        weights = run.go(start, display.train, watch)
    _check_weights(run, weights, words)
    return model_of(weights)


def _check_memory(client: Any, words: Vocabulary, options: Options) -> None:
    """Raise `VocabularyError` where a worker has too little memory for the model."""
    # Weights to train, those of this round and of the one before, and changes.
    need = model_bytes(len(words), padded(options.dim), 5)
    for address, worker in client.scheduler_info(n_workers=-1)["workers"].items():
        limit = worker["memory_limit"]
        if limit and need > limit:
            raise VocabularyError(
                f"{len(words):,} words need about {need:,} bytes on each worker, {address} may use "
                f"{limit:,}; give workers more memory, or raise min_count or lower dim"
            )


def _check_weights(run: RoundRun, weights: Weights, words: Vocabulary) -> None:
    """Raise `DivergedError` where the run has led to weights that are of no use."""
    assert weights.tree is not None  # a cluster trains hs alone
    untrained = np.log(2) * weights.tree.expected_length(words.counts)
    for name, matrix in (("vectors", weights.vectors), ("output weights", weights.outputs)):
        if (fault := weights_fault(name, matrix)) is not None:
            raise run.diverged(fault)
    loss = weights.losses[-1]
    if loss is not None and loss > WORSE * untrained:
        raise run.diverged(
            f"the mean loss of the last epoch is {loss:.4g} nats, {untrained:.4g} before any "
            "training,"
        )
