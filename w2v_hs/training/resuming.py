"""Resuming a run that was stopped: `resume`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from w2v_hs.checks import shown
from w2v_hs.errors import OptionError
from w2v_hs.files.atomic import holding
from w2v_hs.model.model import Model
from w2v_hs.progress import display
from w2v_hs.training.observers.checkpoint import SavedRun, end_checkpoint, load_checkpoint
from w2v_hs.training.observers.epochs import Callback, Callbacks, check_no_callbacks, listed
from w2v_hs.training.observers.run_texts import as_it_began, saved_texts
from w2v_hs.training.recipe import read_text, train_model
from w2v_hs.training.update import train_update
from w2v_hs.types import Texts


def resume(
    checkpoint: str | Path,
    corpus: Texts | None = None,
    *,
    client: Any = None,
    callbacks: Callbacks = (),
    progress: bool = False,
) -> Model:
    """Resume a run that was stopped, from a checkpoint, to its end.

    With one thread the model is the same, to the bit, as if the run had not been stopped. With
    several it is as good, but not the same, as any two runs with several threads differ. From the
    checkpoint of a run that has ended, the model is returned as it is.

    Parameters
    ----------
    checkpoint
        What the run left. New checkpoints replace it, and at the end the model does.
    corpus
        The text of the run, if it has moved or had no name.
    client
        As in `train`, for a run on a cluster; it may be another cluster, with more or fewer
        workers.
    callbacks
        As in `train`, for the epochs that remain. A checkpoint holds none.
    progress
        Show bars on a terminal and in notebooks, elsewhere print lines to standard error.

    Returns
    -------
    Model

    Raises
    ------
    FormatError
        The checkpoint is missing, damaged, or a plain model.
    CorpusError
        The text is not the one that the run began with, or cannot be read.
    OutputError
        The checkpoint cannot be written, or another run writes it.
    OptionError, DivergedError, ClusterError, Interrupted
    """
    callbacks, saved = listed(callbacks), load_checkpoint(checkpoint)
    if saved.ended:
        return saved.model
    with resumed(saved, corpus, client, callbacks, progress) as model:
        return model


@contextmanager
def resumed(
    saved: SavedRun,
    corpus: Texts | None = None,
    client: Any = None,
    callbacks: Callbacks = (),
    progress: bool = False,
) -> Iterator[Model]:
    """Yield what `resume` returns; no other run has its checkpoint until the block ends."""
    model, path = saved.model, saved.settings.path
    with holding(path, checkpoint=True):
        if not saved.ended:
            model = _resumed(saved, corpus, client, listed(callbacks), progress)
            end_checkpoint(saved.settings, model)
        yield model


def _resumed(
    saved: SavedRun, corpus: Texts | None, client: Any, callbacks: list[Callback], progress: bool
) -> Model:
    """The model of a run that was stopped, trained to its end."""
    _check_place(saved, client)
    corpus = saved_texts(saved.settings) if corpus is None else corpus
    if client is not None:
        check_no_callbacks(callbacks)
        from w2v_hs.training.cluster.api import resume_on

        return resume_on(client, saved, corpus, progress)
    model, update, settings = saved.model, saved.update, saved.settings
    options = (model.options if update is None else update.options).resolved()
    with display(progress) as shows:
        text = read_text(corpus, options, model.vocabulary, settings.preprocessing, shows)
        began = model.provenance["corpus"]
        began = began if update is None else {"sha256": update.checksum, "names": update.names}
        text = as_it_began(settings.path, text, began)
        if update is None:
            return train_model(text, model.tree, options, shows, settings, saved, callbacks)
        start = replace(update, options=options)
        train_update(model, start, text, model.tree, shows, settings, saved, callbacks)
        return model


def _check_place(saved: SavedRun, client: Any) -> None:
    """Raise `OptionError` where a run on a cluster is resumed in one process, or the reverse."""
    on_cluster = saved.settings.layout is not None
    if on_cluster and client is None:
        remedy = "on a cluster: give its scheduler, or another"
    elif client is not None and not on_cluster:
        remedy = "in one process: leave the scheduler out"
    else:
        return
    raise OptionError(f"{shown(saved.settings.path)}: its run is one {remedy}")
