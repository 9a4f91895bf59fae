"""Checkpoint files, from which a run that was stopped resumes.

A checkpoint is a model file (`w2v_hs.load` reads it) that also says where the run stands and how it
was set up. Learning rate and random numbers of a chunk follow from its place, so the place is all
the state there is.
"""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from w2v_hs.checks import argument, shown
from w2v_hs.errors import CorpusError, FormatError, OptionError, OutputError
from w2v_hs.files.atomic import check_writable
from w2v_hs.files.container import load_arrays, save_arrays
from w2v_hs.formatting import texts
from w2v_hs.model.contents import check_weights, tree_arrays
from w2v_hs.model.file import model_from
from w2v_hs.model.model import Model
from w2v_hs.model.scoring import Perplexity
from w2v_hs.options import Options, Preprocessing, Resolved
from w2v_hs.text import catalog
from w2v_hs.training.observers.holdout import Best, Holdout
from w2v_hs.training.schedule import LONGEST_CHUNK
from w2v_hs.training.start import Held, Start
from w2v_hs.training.threads import Position
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Array, Float32, Int64, Texts
from w2v_hs.vectors.subwords import Ngrams

SUFFIX = ".checkpoint.safetensors"
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
    save_vocab: str | None = None  # a file that is to get the vocabulary
    layout: ClusterLayout | None = None  # of a run on a cluster; each round counts as one chunk

    def __post_init__(self) -> None:
        if not 0 <= self.every < float("inf"):
            raise OptionError(f"checkpoint_every={self.every}: expected seconds, 0 for none but the last")


@dataclass(frozen=True)
class UpdateStart:
    """Where the update of a model begins."""

    options: Resolved  # of the update's run
    inputs: Float32  # (V, dim) float32, of the model, with room for the new words; or (V + N, dim)
    outputs: Float32  # (rows, dim) float32, likewise
    added: Int64  # (V,) int64, occurrences in the new text
    checksum: str  # SHA-256 of the new text
    ngrams: Ngrams | None = None  # N of them, if the model has any


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


def check_no_checkpoint(path: Path) -> None:
    """Raise `OutputError` if a new run cannot write to `path`, or would replace a checkpoint."""
    if check_writable(path).exists():
        command = f"w2v-hs resume {argument(path)}" if path.name.endswith(SUFFIX) else "w2v_hs.resume"
        raise OutputError(
            f"{shown(path)}: the checkpoint of an earlier run is there; to resume that run: {command}; "
            f"to discard it: rm {argument(path)}"
        )


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
    arrays |= {"chunks.loss": position.loss, "chunks.predictions": position.predictions}
    if holdout is not None and holdout.best is not None:
        vectors, outputs, tree = holdout.best
        arrays |= {"best.vectors": vectors, "best.outputs": outputs}
        if tree is not None:
            arrays |= tree_arrays(tree, "best.tree")
    run: dict[str, Any] = {
        "format": FORMAT,
        "every": settings.every,
        "texts": settings.texts,
        "cleaning": asdict(settings.preprocessing),
        "save_vocab": settings.save_vocab,
        "cuts": None if settings.layout is None else asdict(settings.layout),
        "chunk_tokens": position.chunk_tokens,
        "seconds": position.seconds,
        "tree_due": position.tree_due,
        "holdout": [asdict(result) for result in holdout.results] if holdout else [],
        "held": {"share": held.share, "nodes": held.nodes},
    }
    if held.words is not None:
        arrays["held.words"] = held.words.astype(np.uint8)
    if update is not None:
        arrays |= {
            "update.vectors": update.inputs,
            "update.outputs": update.outputs,
            "update.added": update.added,
        }
        run["update"] = {"options": update.options.as_dict(), "sha256": update.checksum}
    save_arrays(settings.path, arrays, description | {"checkpoint": run})


def load_checkpoint(path: str | Path) -> SavedRun:
    """Read a checkpoint; `FormatError` if it is missing, damaged, or no checkpoint."""
    arrays, description = load_arrays(path)
    model = model_from(path, arrays, description)
    if "checkpoint" not in description:
        raise FormatError(
            f"{shown(path)}: a model, not a checkpoint: its run has ended; to train it with more "
            "text use train --resume-from"
        )
    try:
        saved = _saved_run(path, model, arrays, description["checkpoint"])
        _check_shapes(saved)
    except FormatError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise FormatError(f"{shown(path)}: incomplete or inconsistent checkpoint: {shown(error)}") from None
    shape = len(model.vocabulary), model.options.dim, len(model.parameters.inputs)
    if saved.best is not None:
        check_weights(path, "best.", *saved.best, *shape)
    if (update := saved.update) is not None:
        check_weights(path, "update.", update.inputs, update.outputs, model.tree, *shape)
    return saved


def _saved_run(path: str | Path, model: Model, arrays: dict[str, Array], run: dict[str, Any]) -> SavedRun:
    """What `save_checkpoint` wrote of the run; KeyError and the like where that is missing."""
    if run["format"] != FORMAT:
        raise FormatError(
            f"{shown(path)}: checkpoint format {run['format']!r}, this version reads {FORMAT}; "
            "install the version that wrote it"
        )
    layout = run.get("cuts")
    settings = CheckpointSettings(
        path=Path(path),
        every=float(run["every"]),
        texts=run["texts"],
        preprocessing=Preprocessing(**run["cleaning"]),
        save_vocab=run["save_vocab"],
        layout=None if layout is None else ClusterLayout(**layout),
    )
    position = Position(
        int(run["chunk_tokens"]),
        arrays["chunks.loss"],
        arrays["chunks.predictions"],
        float(run["seconds"]),
        bool(run.get("tree_due")),
    )
    best = update = None
    if "best.vectors" in arrays:
        tree = None
        if "best.tree.nodes" in arrays:
            tree = Tree(*(arrays[f"best.tree.{name}"] for name in ("offsets", "nodes", "bits")))
        best = arrays["best.vectors"], arrays["best.outputs"], tree
    if "update" in run:
        update = UpdateStart(
            cast(Resolved, Options(**run["update"]["options"])),
            arrays["update.vectors"],
            arrays["update.outputs"],
            arrays["update.added"],
            run["update"]["sha256"],
            model.ngrams,
        )
    results = [Perplexity(**result) for result in run["holdout"]]
    words = arrays.get("held.words")
    held = Held(**run["held"], words=None if words is None else words.astype(bool))
    return SavedRun(model, settings, position, results, best, update, held)


def _check_shapes(saved: SavedRun) -> None:
    """Raise `ValueError` where parts do not fit together. (A checksum guards their contents.)"""
    loss, predictions = saved.position.loss, saved.position.predictions
    if loss.ndim != 1 or loss.dtype != np.float64 or predictions.dtype != np.int64:
        raise ValueError("losses of chunks of another shape or type")
    if predictions.shape != loss.shape or not 1 <= saved.position.chunk_tokens <= LONGEST_CHUNK:
        raise ValueError("chunks that do not fit each other")
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
    run, model = update.options, saved.model.options
    if (run.dim, run.arch, run.loss) != (model.dim, model.arch, model.loss):
        raise ValueError("options of an update of another model")


def named_texts(corpus: Texts) -> list[str] | None:
    """The names by which a resumed run finds this text; None for text without a name."""
    if isinstance(corpus, (str, Path)):
        corpus = [corpus if "://" in str(corpus) else Path(corpus)]
    if not isinstance(corpus, (list, tuple)) or not all(
        isinstance(text, Path) or (isinstance(text, str) and "://" in text) for text in corpus
    ):
        return None
    return [_lasting_name(text) for text in corpus]


def _lasting_name(text: str | Path) -> str:
    """An address, "-" or a named corpus as it is; a path such that it holds in any folder."""
    name = str(text)
    if isinstance(text, str) or name == "-" or name.startswith("nltk:"):
        return name
    if not os.path.exists(text) and name in catalog.names():  # noqa: PTH110 (never raises)
        return name
    return str(text.absolute())


def saved_texts(checkpoint: str | Path, settings: CheckpointSettings) -> list[str | Path]:
    """The texts that a run read, by the names in its checkpoint."""
    if settings.texts is None or "-" in settings.texts:
        raise CorpusError(f"{shown(checkpoint)}: its run read a text without a name; give that text again")
    return [text if "://" in text else Path(text) for text in settings.texts]


def check_same_text(names: list[str], checksum: str, began: str | None) -> None:
    """Raise `CorpusError` where a text is not the one that a run began with."""
    if checksum != began:
        raise CorpusError(
            f"{texts(names)}: not the text that the run began with: found "
            f"SHA-256 {checksum[:16]}..., expected {shown(began, 16)}...; give the same text, or "
            "train anew"
        )
