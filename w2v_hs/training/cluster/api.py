"""Training on a cluster from text to model: what `training.api` does in one process."""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from w2v_hs.checks import argument, option, whole
from w2v_hs.errors import OptionError, VocabularyError
from w2v_hs.kernels.common import padded
from w2v_hs.model.model import Model
from w2v_hs.model.weights import Weights
from w2v_hs.options import Options, Preprocessing, Resolved, available_cores
from w2v_hs.progress import Display, display
from w2v_hs.text.sources import Source
from w2v_hs.text.tokenizing import warn_of_raw_text
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.training.cluster import client as dask
from w2v_hs.training.cluster import shards
from w2v_hs.training.cluster.costs import work_of
from w2v_hs.training.cluster.run import ClusterRun
from w2v_hs.training.cluster.text import ShardedText, read, set_aside
from w2v_hs.training.divergence import last_loss_fault, weights_fault
from w2v_hs.training.memory import model_bytes, peak_bytes
from w2v_hs.training.observers.checkpoint import CheckpointSettings, ClusterLayout, SavedRun
from w2v_hs.training.observers.epochs import AfterEpoch
from w2v_hs.training.observers.holdout import Holdout
from w2v_hs.training.observers.interruption import Checkpointer
from w2v_hs.training.observers.run_texts import as_it_began
from w2v_hs.training.recipe import make_tree, model_of_weights
from w2v_hs.tree.tree import Tree
from w2v_hs.tree.user_trees import Codes
from w2v_hs.types import NestedTree, Texts


def train_on(
    client: Any,
    corpus: Texts,
    options: Options,
    tree: Codes | NestedTree | None,
    vocabulary: Vocabulary | None,
    preprocessing: Preprocessing,
    settings: CheckpointSettings | None,
    rounds: int | None,
    show: bool | Display,
) -> Model:
    """`training.api.train_with` on the workers of a `distributed.Client`."""
    check_options(options)
    if rounds is not None:
        whole("rounds", rounds, 1, 1_000_000)
    files = _files(corpus, preprocessing)
    with dask.dask_errors(client, partial(_advice, settings)), display(show) as shows:
        workers = dask.note_workers(client, shows)
        size = _shard_bytes(files, len(workers))
        text = read(client, files, size, options, vocabulary, preprocessing, shows.read)
        threads = options.threads or min(workers.values())  # of each worker
        run_options = cast(Resolved, replace(options.suited(sum(text.lengths)), threads=threads))
        if vocabulary is None:
            warn_of_raw_text(text.vocabulary.words)
        built = make_tree(text.vocabulary, run_options, tree, shows)
        assert built is not None  # `check_options` refuses the full softmax
        if rounds is None:
            work = work_of(text.vocabulary, built, sum(text.lengths), run_options)
            rounds = work.rounds(len(workers), run_options.threads)
        if settings is not None:
            settings = replace(settings, layout=ClusterLayout(size, rounds))
        return _train(client, text, built, run_options, rounds, settings, shows)


def resume_on(client: Any, saved: SavedRun, corpus: Texts, show: bool | Display) -> Model:
    """`training.api.resume` on the workers of a `distributed.Client`."""
    model, settings, layout = saved.model, saved.settings, saved.settings.layout
    assert layout is not None and model.tree is not None  # as of all runs on a cluster
    files = _files(corpus, settings.preprocessing)
    with dask.dask_errors(client, partial(_advice, settings)), display(show) as shows:
        dask.note_workers(client, shows)
        text = read(
            client,
            files,
            layout.shard_bytes,
            model.options,
            model.vocabulary,
            settings.preprocessing,
            shows.read,
        )
        text = as_it_began(settings.path, text, model.provenance["corpus"])
        return _train(client, text, model.tree, model.options, layout.rounds, settings, shows, saved)


def check_options(options: Options) -> None:
    """Raise `OptionError` for options that training on a cluster does not support."""
    if options.loss != "hs":
        raise OptionError(
            f"loss={options.loss} on a cluster: not supported, since every word touches all output "
            "weights, which would all have to travel; use loss=hs, or train in one process"
        )
    if options.window is None:
        raise OptionError(
            f"{option('window', 'sentence')} on a cluster: not supported; give a number, such as the "
            "length of the longest sentence, and do not shrink windows"
        )
    if options.subwords is not None:
        raise OptionError(
            "subwords on a cluster: not supported, since all rows of n-grams would have to travel; train "
            "in one process"
        )


def _shard_bytes(files: list[Source], workers: int) -> int:
    """Bytes of a shard: four shards a worker at least, so that all have about as much."""
    total = sum(file.size or 0 for file in files)
    return min(max(total // (4 * workers), shards.SMALLEST), shards.LARGEST)


def _advice(settings: CheckpointSettings | None) -> str:
    """What a user can do if the cluster is lost."""
    if settings is None or not settings.path.exists():
        return "start the run again; with checkpoints it could be resumed"
    return f"to resume: w2v-hs resume {argument(settings.path)} --scheduler ADDRESS"


def _files(corpus: Texts, preprocessing: Preprocessing) -> list[Source]:
    """The files of what `train` takes for a corpus, as far as a cluster can read it."""
    texts = [corpus] if isinstance(corpus, (str, Path)) else corpus
    if not isinstance(texts, (list, tuple)) or not all(isinstance(t, (str, Path)) for t in texts):
        raise OptionError(
            f"a corpus of type {type(corpus).__name__} on a cluster: its workers read files; give "
            "paths or addresses such as s3://bucket/folder"
        )
    return [file for text in texts for file in shards.find_files(str(text), preprocessing)]


def _train(
    client: Any,
    text: ShardedText,
    tree: Tree,
    options: Resolved,
    rounds: int,
    settings: CheckpointSettings | None,
    shows: Display,
    saved: SavedRun | None = None,
) -> Model:
    """Train from the beginning, or from where `saved` was."""
    _check_memory(client, text.vocabulary, options)
    holdout = None
    if options.holdout:
        text, aside = set_aside(client, text, options.holdout, options.seed)
        earlier = (saved.results, saved.best) if saved is not None else ((), None)
        here = replace(options, threads=available_cores())
        holdout = Holdout(aside, here, shows.note, *earlier)
    shows.note(
        f"{len(text.vocabulary):,} words, {sum(text.lengths):,} tokens in {len(text.ids)} shards; "
        f"{rounds} rounds an epoch"
    )
    shows.step("compiling")
    position = saved.position if saved else None

    def model_of(weights: Weights) -> Model:
        cost: dict[str, Any] = {"cluster": asdict(run.cost)}
        cost["peak_memory_bytes"] = max(client.run(peak_bytes).values(), default=0)
        return model_of_weights(text, options, holdout, weights, cost)

    after_epoch = AfterEpoch([], model_of, holdout) or None
    run = ClusterRun(client, text, tree, options, rounds, shows.train, position, after_epoch)
    with Checkpointer(settings, model_of, shows, holdout) as observer:
        weights = run.run(saved.model.parameters[1:3] if saved else None, observer)
    fault = weights_fault(weights.vectors, weights.outputs)
    fault = fault or last_loss_fault(weights, text.vocabulary.counts)
    if fault is not None:
        raise run.diverged(fault)
    return model_of(weights)


def _check_memory(client: Any, words: Vocabulary, options: Options) -> None:
    """Raise `VocabularyError` if a worker has too little memory for the model."""
    # Weights to train, those of this round and of the one before, and changes.
    need = model_bytes(len(words), padded(options.dim), 5)
    for address, worker in client.scheduler_info(n_workers=-1)["workers"].items():
        limit = worker["memory_limit"]
        if limit and need > limit:
            raise VocabularyError(
                f"{len(words):,} words need about {need:,} bytes on each worker, {address} may use "
                f"{limit:,}; give workers more memory, or raise min_count or lower dim"
            )
