"""Checkpoint files, from which a run that was stopped resumes.

A checkpoint is a model file (`w2v_hs.load` reads it) that also says where the run stands and how it
was set up. Learning rate and random numbers of a chunk follow from its place, so the place is all
the state there is.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from w2v_hs.checks import argument, shown, spoken, warn
from w2v_hs.errors import FormatError, OptionError, OutputError
from w2v_hs.files.atomic import CHECKPOINT_SUFFIX as SUFFIX
from w2v_hs.files.atomic import check_writable, holding
from w2v_hs.files.container import CHECKPOINT, UNFINISHED, load_arrays, save_arrays
from w2v_hs.files.typed_json import as_type
from w2v_hs.model.contents import check_weights, tree_arrays
from w2v_hs.model.file import model_from
from w2v_hs.model.model import Model
from w2v_hs.model.scoring import Perplexity
from w2v_hs.options import Options, Preprocessing, Resolved
from w2v_hs.training.observers.holdout import Best, Holdout
from w2v_hs.training.schedule import LONGEST_CHUNK
from w2v_hs.training.start import Held, Start
from w2v_hs.training.threads import Position
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Array, Float32, Int64
from w2v_hs.vectors.subwords import Ngrams

FORMAT = 1
START_FACTS = ("init", "compass")  # what a provenance says of the weights that its run began with


@dataclass(frozen=True)
class ClusterLayout:
    """How a run on a cluster is cut up, whatever the number of workers."""

    shard_bytes: int  # of a shard of the text
    rounds: int  # of an epoch


@dataclass(frozen=True)
class CheckpointSettings:
    """Where and when checkpoints are written, and what of the run is not in the model.

    Raises `OptionError` if `every` is not a number of seconds.
    """

    path: Path
    every: float = 300.0  # seconds between two checkpoints; 0: only when the run is stopped
    texts: list[str] | None = None  # their names; None if they have none
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    save_vocab: str | None = None  # a file that is to get the vocabulary, seen from the checkpoint's folder
    output_before: str | None = None  # SHA-256 of the file that the model replaces; None: there was none
    vocab_before: str | None = None  # the same for `save_vocab`
    layout: ClusterLayout | None = None  # of a run on a cluster; each round counts as one chunk

    def __post_init__(self) -> None:
        if not 0 <= self.every < float("inf"):
            raise OptionError(f"checkpoint_every={self.every}: expected seconds, 0 for none but the last")


@dataclass(frozen=True)
class _RunOfUpdate:
    """What the description of a checkpoint says of an update."""

    options: dict[str, Any]
    sha256: str
    names: list[str] | None = None


@dataclass(frozen=True)
class _RunHeld:
    """What the description of a checkpoint says of `Held`."""

    share: float = 0.0
    nodes: bool = False


@dataclass(frozen=True)
class _Run:
    """What the description of a checkpoint says of its run."""

    format: int
    every: float
    texts: list[str] | None
    cleaning: Preprocessing
    save_vocab: str | None
    cuts: ClusterLayout | None
    chunk_tokens: int
    seconds: float
    holdout: list[Perplexity]
    tree_due: bool = False
    update: _RunOfUpdate | None = None
    held: _RunHeld = _RunHeld()
    output_before: str | None = None
    vocab_before: str | None = None


@dataclass(frozen=True)
class _EndedRun:
    """What the description of a checkpoint says of a run that has ended."""

    format: int
    ended: bool
    save_vocab: str | None = None
    output_before: str | None = None
    vocab_before: str | None = None


@dataclass(frozen=True)
class UpdateStart:
    """Where the update of a model begins."""

    options: Resolved  # of the update's run
    inputs: Float32  # (V, dim) float32, of the model, with room for the new words; or (V + N, dim)
    outputs: Float32  # (rows, dim) float32, likewise
    added: Int64  # (V,) int64, occurrences in the new text
    checksum: str  # SHA-256 of the new text
    ngrams: Ngrams | None = None  # N of them, if the model has any
    names: list[str] | None = None  # of the new text, if known


@dataclass(frozen=True)
class SavedRun:
    """What a checkpoint holds."""

    model: Model  # as it was
    settings: CheckpointSettings
    position: Position
    results: list[Perplexity] = field(default_factory=list)  # of sentences set aside, by epoch
    best: Best | None = None  # the weights that patience keeps
    update: UpdateStart | None = None  # of a run that updates a model
    held: Held = Held()  # noqa: RUF009 (frozen)
    ended: bool = False  # the model is that of the finished run

    @property
    def start(self) -> Start:
        """The weights to begin with."""
        model = self.model
        facts = {name: model.provenance[name] for name in START_FACTS if name in model.provenance}
        return Start(model.parameters.inputs, model.outputs, model.ngrams, self.held, facts)


def checkpoint_path(output: Path) -> Path:
    """The checkpoint of the run that writes the model `output`."""
    return output.with_name(output.name.removesuffix(".safetensors") + SUFFIX)


def output_path(checkpoint: Path) -> Path:
    """The model that a run with this checkpoint writes; `FormatError` for another name."""
    if not checkpoint.name.endswith(SUFFIX):
        likely = checkpoint_path(checkpoint)
        there = f"there is {shown(likely)}" if likely.exists() else f"{shown(likely)} is not there"
        raise FormatError(f"{shown(checkpoint)}: the name of a checkpoint ends in {SUFFIX}; {there}")
    return checkpoint.with_name(checkpoint.name.removesuffix(SUFFIX) + ".safetensors")


def check_no_checkpoint(path: Path, keep_ended: bool = False) -> None:
    """Raise `OutputError` if a new run cannot write to `path`, or would replace a checkpoint.

    That of a finished run may be replaced, unless `keep_ended`.
    """
    if not check_writable(path, checkpoint=True).exists():
        return
    try:
        ended = load_checkpoint(path).ended and not keep_ended
    except FormatError:
        ended = False
        if not path.name.endswith(SUFFIX):  # such as a model, which must not be called a checkpoint
            raise OutputError(
                f"{shown(path)}: the file that is there is no whole checkpoint; give another name"
            ) from None
    if not ended:
        command = spoken(f"w2v-hs resume {argument(path)}", f"w2v_hs.resume({str(path)!r})")
        raise OutputError(
            f"{shown(path)}: the checkpoint of an earlier run is there; to resume that run: {command}; "
            f"to discard it: rm {argument(path)}"
        )


@contextlib.contextmanager
def new_checkpoint(settings: CheckpointSettings | None, keep_ended: bool = False) -> Iterator[None]:
    """Keep other runs from the checkpoint of a new run while the block runs.

    Raises `OutputError` if another run writes it, or as `check_no_checkpoint`.
    """
    with contextlib.nullcontext() if settings is None else holding(settings.path, checkpoint=True):
        if settings is not None:
            check_no_checkpoint(settings.path, keep_ended)
        yield


def end_checkpoint(settings: CheckpointSettings, model: Model) -> None:
    """Replace a checkpoint by the model of its run, which has ended; warn where that fails."""
    arrays, description = model.parts()
    run = _EndedRun(FORMAT, True, settings.save_vocab, settings.output_before, settings.vocab_before)
    try:
        save_arrays(settings.path, arrays, description | {CHECKPOINT: asdict(run)})
    except OutputError as error:
        warn(f"the checkpoint does not hold the finished model: {error}")


def save_checkpoint(
    settings: CheckpointSettings,
    model: Model,
    position: Position,
    holdout: Holdout | None = None,
    update: UpdateStart | None = None,
    held: Held = Held(),  # noqa: B008 (frozen)
) -> None:
    """Write a checkpoint. If that raises `OutputError`, the one before stays whole."""
    arrays, description = model.parts()
    arrays |= {UNFINISHED: position.loss, "chunks.predictions": position.predictions}
    if holdout is not None and holdout.best is not None:
        vectors, outputs, tree = holdout.best
        arrays |= {"best.vectors": vectors, "best.outputs": outputs}
        if tree is not None:
            arrays |= tree_arrays(tree, "best.tree")
    if held.words is not None:
        arrays["held.words"] = held.words.astype(np.uint8)
    if update is not None:
        arrays |= {
            "update.vectors": update.inputs,
            "update.outputs": update.outputs,
            "update.added": update.added,
        }
    run = _Run(
        FORMAT,
        settings.every,
        settings.texts,
        settings.preprocessing,
        settings.save_vocab,
        settings.layout,
        position.chunk_tokens,
        position.seconds,
        holdout.results if holdout else [],
        position.tree_due,
        None if update is None else _RunOfUpdate(update.options.as_dict(), update.checksum, update.names),
        _RunHeld(held.share, held.nodes),
        settings.output_before,
        settings.vocab_before,
    )
    save_arrays(settings.path, arrays, description | {CHECKPOINT: asdict(run)})


def load_checkpoint(path: str | Path) -> SavedRun:
    """Read a checkpoint; `FormatError` if it is missing, damaged, or no checkpoint."""
    arrays, description = load_arrays(path)
    model = model_from(path, arrays, description)
    if CHECKPOINT not in description:
        raise FormatError(
            f"{shown(path)}: a model, not a checkpoint: its run has ended; to train it with more "
            "text use train --resume-from"
        )
    try:
        saved = _saved_run(path, model, arrays, description[CHECKPOINT])
        _check_shapes(saved)
        shape = len(model.vocabulary), model.options.dim, len(model.parameters.inputs)
        if saved.best is not None:
            check_weights(path, "best.", *saved.best, *shape)
        if (update := saved.update) is not None:
            check_weights(path, "update.", update.inputs, update.outputs, model.tree, *shape)
    except FormatError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise FormatError(f"{shown(path)}: incomplete or inconsistent checkpoint: {shown(error)}") from None
    return saved


def _saved_run(path: str | Path, model: Model, arrays: dict[str, Array], run: dict[str, Any]) -> SavedRun:
    """What `save_checkpoint` wrote of the run; KeyError and the like where that is missing."""
    if run["format"] != FORMAT:
        raise FormatError(
            f"{shown(path)}: checkpoint format {run['format']!r}, this version reads {FORMAT}; "
            "install the version that wrote it"
        )
    if run.get("ended"):
        no_losses, no_predictions = np.zeros(0), np.zeros(0, np.int64)
        place = Position(1, no_losses, no_predictions, 0.0)
        last: _EndedRun = as_type(_EndedRun, run, "checkpoint")
        settings = CheckpointSettings(
            Path(path),
            save_vocab=last.save_vocab,
            output_before=last.output_before,
            vocab_before=last.vocab_before,
        )
        return SavedRun(model, settings, place, ended=True)
    record: _Run = as_type(_Run, run, "checkpoint")
    settings = CheckpointSettings(
        Path(path),
        record.every,
        record.texts,
        record.cleaning,
        record.save_vocab,
        record.output_before,
        record.vocab_before,
        record.cuts,
    )
    loss, predictions = arrays[UNFINISHED], arrays["chunks.predictions"]
    position = Position(record.chunk_tokens, loss, predictions, record.seconds, record.tree_due)
    best = update = None
    if "best.vectors" in arrays:
        tree = None
        if "best.tree.nodes" in arrays:
            tree = Tree(*(arrays[f"best.tree.{name}"] for name in ("offsets", "nodes", "bits")))
        best = arrays["best.vectors"], arrays["best.outputs"], tree
    if record.update is not None:
        update = UpdateStart(
            cast(Resolved, Options(**record.update.options)),
            arrays["update.vectors"],
            arrays["update.outputs"],
            arrays["update.added"],
            record.update.sha256,
            model.ngrams,
            record.update.names,
        )
    words = arrays.get("held.words")
    held = Held(record.held.share, None if words is None else words.astype(bool), record.held.nodes)
    return SavedRun(model, settings, position, record.holdout, best, update, held)


def _check_shapes(saved: SavedRun) -> None:
    """Raise `ValueError` where parts do not fit together. (A checksum guards their contents.)"""
    loss, predictions = saved.position.loss, saved.position.predictions
    if loss.ndim != 1 or loss.dtype != np.float64 or predictions.dtype != np.int64:
        raise ValueError("losses of chunks of another shape or type")
    if predictions.shape != loss.shape or not 1 <= saved.position.chunk_tokens <= LONGEST_CHUNK:
        raise ValueError("chunks that do not fit each other")
    if not np.isfinite(loss).all() or predictions.min(initial=0) < 0 or saved.position.seconds < 0:
        raise ValueError("losses, predictions or seconds that no run has")
    if saved.best is not None and (saved.best[2] is None) != (saved.model.tree is None):
        raise ValueError("best weights of another kind of model")
    held = saved.held
    if held.words is not None and held.words.shape != saved.model.vocabulary.counts.shape:
        raise ValueError("frozen words that do not fit the vocabulary")
    if not 0 <= held.share <= 1:
        raise ValueError("inputs that rest beyond the run")
    if (update := saved.update) is None:
        return
    if update.added.dtype != np.int64 or update.added.shape != saved.model.vocabulary.counts.shape:
        raise ValueError("counts of new text of another shape or type")
    if update.added.min() < 0 or (update.added > saved.model.vocabulary.counts).any():
        raise ValueError("counts of new text that are not part of those of all text")
    run, model = update.options, saved.model.options
    if (run.dim, run.arch, run.loss) != (model.dim, model.arch, model.loss):
        raise ValueError("options of an update of another model")
