"""Replicas on a cluster: each run is one task, which trains on its worker as one process does.

The client reads the text, too: it makes the vocabulary and the first tree, and merges the runs.
"""

import math
import time
import uuid
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from w2v_hs.checks import warn, warnings_kept
from w2v_hs.errors import CorpusError, OptionError
from w2v_hs.model.model import Model
from w2v_hs.options import Options, Preprocessing, Resolved
from w2v_hs.progress import Display, Progress, display
from w2v_hs.text.compression import is_address
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.training.cluster import client as dask
from w2v_hs.training.observers.holdout import set_aside
from w2v_hs.training.observers.run_texts import check_same, named_texts
from w2v_hs.training.recipe import make_tree, read_text
from w2v_hs.training.replicas import train_replica, train_replicas
from w2v_hs.tree.tree import Tree
from w2v_hs.tree.user_trees import Codes
from w2v_hs.types import NestedTree, Texts

_dask_errors = partial(dask.dask_errors, advice=lambda: "start the run again")


@dataclass(frozen=True)
class Job:
    """What all runs have in common."""

    texts: list[Path]
    preprocessing: Preprocessing
    facts: dict[str, Any]  # of the text that the client has read
    vocabulary: Vocabulary
    tree: Tree | None
    options: Resolved  # with the threads of a worker


def train_replicas_on(
    client: Any,
    corpus: Texts,
    options: Options,
    tree: Codes | NestedTree | None,
    vocabulary: Vocabulary | None,
    preprocessing: Preprocessing,
    folder: Path | None,
    show: bool | Display,
) -> Model:
    """`replicas.train_replicas`, whose runs train on the workers of a `distributed.Client`."""
    texts, reading = _texts(corpus, options), options.resolved()
    with display(show) as shows:
        with _dask_errors(client):
            workers = dask.note_workers(client, shows)
        text = read_text(corpus, reading, vocabulary, preprocessing, shows)
        run = replace(options, threads=reading.threads).resolved(len(text.ids))
        first = make_tree(text.vocabulary, run, tree, shows)
        each = replace(run, threads=options.threads or min(workers.values()))
        job = Job(texts, preprocessing, text.facts(), text.vocabulary, first, each)
        return train_replicas(text, first, run, shows, folder, models=_models(client, job, shows))


def _texts(corpus: Texts, options: Options) -> list[Path]:
    """The texts by names that hold on the workers, too."""
    names = named_texts(corpus)
    if names is None or any(name == "-" or is_address(name) for name in names):
        raise OptionError(
            f"replicas={options.replicas} on a cluster: the client and its workers read the whole text; "
            "give paths of files that all of them find"
        )
    return [*map(Path, names)]


def _models(client: Any, job: Job, shows: Display) -> Generator[Model]:
    """The models of all runs in order; as many train at once as there are workers."""
    options, began, topic = job.options, time.perf_counter(), f"w2v-hs-{uuid.uuid4().hex}"
    total = job.facts["retained_tokens"] * options.epochs * options.replicas
    ended = 0  # epochs, of all runs together

    def look() -> None:
        nonlocal ended
        share = min(1.0, listener.tokens(0) / total)
        before, ended = ended, int(share * options.epochs)
        epoch = ended if ended > before else min(ended + 1, options.epochs)
        rate, seconds = options.lr * (1 - share), time.perf_counter() - began
        tokens = round(share * total)
        shows.train(Progress(tokens, total, epoch, rate, math.nan, seconds, ended > before))

    with _dask_errors(client):
        listener, done, wave = dask.ProgressListener(client, topic), 0, []
        try:
            shared = dask.scatter(client, job, list(dask.workers(client)))
            while done < options.replicas:
                places = zip(range(done, options.replicas), dask.workers(client), strict=False)
                wave = [dask.submit(client, _train, shared, n, topic, worker=w) for n, w in places]
                dask.wait_for(client, wave, look)
                for future in wave:
                    model, warned = client.gather(future, direct=True)
                    for message in warned:
                        warn(message)
                    yield model
                done += len(wave)
        finally:
            listener.stop()
            for future in wave:  # a run that is not done ends, as its result is not wanted any more
                future.release()


def _train(job: Job, number: int, topic: str) -> tuple[Model, list[str]]:
    """Read the text and train run `number`, from 0, as a task; also returns its warnings."""
    from distributed import get_worker

    shows = _Reports(topic, number, job.facts["retained_tokens"] * job.options.epochs)
    with warnings_kept() as warned:
        try:
            text = read_text(job.texts, job.options, job.vocabulary, job.preprocessing, shows)
            check_same(text, job.facts, "all workers must find the same text under this name")
        except CorpusError as error:
            raise CorpusError(f"on the worker {get_worker().address}: {error}") from None
        if job.options.holdout:
            text, _ = set_aside(text, job.options.holdout, job.options.seed)
        model = train_replica(text, job.tree, job.options, number, shows)
    return model, warned


class _Reports(Display):
    """Reports to the client, from a task; ends it where the client has given it up."""

    def __init__(self, topic: str, number: int, total: int):
        from distributed import get_worker

        self.report = dask.ProgressReporter(topic, 0, number)
        self.total = total  # of the whole text, where a bootstrap has fewer tokens to train
        self.worker, self.task = get_worker(), get_worker().get_current_task()

    def train(self, progress: Progress) -> None:
        if self.worker.state.tasks[self.task].state == "cancelled":
            raise RuntimeError("given up")
        self.report(round(progress.tokens / progress.total * self.total))
