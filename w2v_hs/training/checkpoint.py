"""Checkpoints: a run that was stopped, by Ctrl-C, a signal or a loss of power, goes on from one.

A checkpoint is a model file (`w2v_hs.load` reads it) that also says where the run stands and how
it was told to run. The learning rate and the random numbers of a chunk of text follow from its
place, so the place is all the state of the generators there is.
"""

import contextlib
import math
import os
import signal
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError, Interrupted, OptionError, OutputError
from w2v_hs.files import container as storage
from w2v_hs.model.loading import check_weights, model_from
from w2v_hs.model.model import Model, tree_arrays
from w2v_hs.model.scoring import Perplexity
from w2v_hs.model.weights import Weights
from w2v_hs.options import Options, Preprocessing, Resolved
from w2v_hs.training.holdout import Holdout
from w2v_hs.training.run import LONGEST_CHUNK, Position, Watch
from w2v_hs.training.update import Start
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32

SUFFIX = ".checkpoint.safetensors"
FORMAT = 1


@dataclass(frozen=True)
class Cuts:
    """How a run on a cluster is cut up, whatever the number of workers: bytes of a shard of text,
    and rounds of an epoch."""

    shard_bytes: int
    rounds: int


@dataclass(frozen=True)
class Keeping:
    """Where checkpoints go, `every` so many seconds (0: only when the run is stopped), and what of
    the run is not in the model: names of the texts (None where they have none), what is done to
    them, a file that is to get the vocabulary; on a cluster, how the run is cut up, where each
    round counts as one chunk."""

    path: Path
    every: float = 300.0
    texts: list[str] | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    save_vocab: str | None = None
    cuts: Cuts | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.every < float("inf"):
            raise OptionError(
                f"checkpoint_every={self.every}: expected seconds, 0 for none but the last"
            )


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds: see `load_checkpoint`."""

    model: Model
    keeping: Keeping
    position: Position
    results: list[Perplexity] = field(default_factory=list)  # of the sentences set aside
    best: tuple[Float32, Float32, Tree | None] | None = None  # the weights patience keeps
    update: Start | None = None  # of a run that goes on with a model and more text


class StopSignals:
    """While the block lasts, SIGINT and SIGTERM are noted and the program goes on; a second one
    stops it at once. Elsewhere than in the main thread, and where the program has handlers of its
    own, all stays as it is."""

    def __init__(self, numbers: tuple[int, ...], note: Callable[[str], None]):
        self.numbers, self.note = numbers, note
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        for number in self.numbers:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                with contextlib.suppress(ValueError):  # not the main thread
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _receive(self, number: int, frame: object) -> None:
        if self.received is None:
            self.received = number
            self.note("stopping ...")
            return
        self.__exit__()
        os.kill(os.getpid(), number)


class Checkpoints(Watch):
    """Writes a checkpoint every so often, and when a signal came; then it ends the run.

    keeping: None where there is no place for them. model_of(weights): the model as it is. holdout,
    update: of the run, if it has one. note(text): a line for people.
    """

    def __init__(
        self,
        keeping: Keeping | None,
        model_of: Callable[[Weights], Model],
        holdout: Holdout | None,
        signals: StopSignals,
        note: Callable[[str], None],
        update: Start | None = None,
    ):
        self.keeping, self.model_of = keeping, model_of
        self.holdout, self.update = holdout, update
        self.signals, self.note = signals, note
        self.last = time.monotonic()
        self.told = False

    def stopped(self) -> bool:
        return self.signals.received is not None

    def due(self) -> bool:
        if self.stopped():
            return True
        every = self.keeping.every if self.keeping is not None else 0.0
        return every > 0 and time.monotonic() - self.last >= every

    def halt(self, weights: Weights, position: Position) -> None:
        model, number = self.model_of(weights), self.signals.received
        if self.keeping is None:
            assert number is not None  # else nothing was due
            raise Interrupted("stopped", model, number, None)
        try:
            started = time.monotonic()
            save_checkpoint(self.keeping, model, position, self.holdout, self.update)
        except OutputError as error:
            if number is not None:
                raise Interrupted(
                    f"stopped, nothing saved: {error}", model, number, None
                ) from error
            warnings.warn(f"no checkpoint: {error}; training goes on", stacklevel=2)
        else:
            if number is not None:
                raise Interrupted("stopped", model, number, self.keeping.path)
            if not self.told:
                size, seconds = self.keeping.path.stat().st_size, time.monotonic() - started
                self.note(
                    f"checkpoint of {size / 1e6:,.0f} MB in {seconds:.1f} s, and every "
                    f"{self.keeping.every:g} s: {self.keeping.path}"
                )
                self.told = True
        self.last = time.monotonic()


def checkpoint_path(output: Path) -> Path:
    """Where the checkpoints of the run that writes the model `output` lie."""
    return output.with_name(output.name.removesuffix(".safetensors") + SUFFIX)


def output_path(checkpoint: Path) -> Path:
    """The model that a run with this checkpoint writes; `FormatError` for another name."""
    if not checkpoint.name.endswith(SUFFIX):
        likely = checkpoint_path(checkpoint)
        there = f"there is {shown(likely)}" if likely.exists() else f"{shown(likely)} is not there"
        raise FormatError(
            f"{shown(checkpoint)}: the name of a checkpoint ends in {SUFFIX}; {there}"
        )
    return checkpoint.with_name(checkpoint.name.removesuffix(SUFFIX) + ".safetensors")


def save_checkpoint(
    keeping: Keeping,
    model: Model,
    position: Position,
    holdout: Holdout | None = None,
    update: Start | None = None,
) -> None:
    """Write a checkpoint; `OutputError` where that fails, and the one before stays whole."""
    arrays, description = model.parts()
    arrays |= {"chunks.loss": position.loss, "chunks.predictions": position.predictions}
    if holdout is not None and holdout.best is not None:
        vectors, outputs, tree = holdout.best
        arrays |= {"best.vectors": vectors, "best.outputs": outputs}
        if tree is not None:
            arrays |= tree_arrays(tree, "best.tree")
    description["checkpoint"] = {
        "format": FORMAT,
        "every": keeping.every,
        "texts": keeping.texts,
        "cleaning": asdict(keeping.preprocessing),
        "save_vocab": keeping.save_vocab,
        "cuts": None if keeping.cuts is None else asdict(keeping.cuts),
        "chunk_tokens": position.chunk_tokens,
        "seconds": position.seconds,
        "holdout": [asdict(result) for result in holdout.results] if holdout else [],
    }
    if update is not None:
        arrays |= {
            "update.vectors": update.vectors,
            "update.outputs": update.outputs,
            "update.added": update.added,
        }
        description["checkpoint"]["update"] = {
            "options": update.options.as_dict(),
            "sha256": update.checksum,
        }
    storage.save_arrays(keeping.path, arrays, description)


def load_checkpoint(path: str | Path) -> Saved:
    """Read a checkpoint.

    Raises
    ------
    FormatError
        The file is missing, damaged, or not a checkpoint.
    """
    arrays, description = storage.load_arrays(path)
    model = model_from(path, arrays, description)
    if "checkpoint" not in description:
        raise FormatError(
            f"{shown(path)}: a model, not a checkpoint: its run has ended; to train it with more "
            "text use train --resume-from"
        )
    try:
        run = description["checkpoint"]
        if run["format"] != FORMAT:
            raise FormatError(
                f"{shown(path)}: checkpoint format {run['format']!r}, this version reads {FORMAT}; "
                "install the version that wrote it"
            )
        cuts = run.get("cuts")
        keeping = Keeping(
            Path(path), float(run["every"]), run["texts"], Preprocessing(**run["cleaning"]),
            run["save_vocab"], None if cuts is None else Cuts(**cuts),
        )  # fmt: skip
        position = Position(
            int(run["chunk_tokens"]), arrays["chunks.loss"], arrays["chunks.predictions"],
            float(run["seconds"]),
        )  # fmt: skip
        results = [Perplexity(**result) for result in run["holdout"]]
        best = None
        if "best.vectors" in arrays:
            tree = None
            if "best.tree.nodes" in arrays:
                tree = Tree(*(arrays[f"best.tree.{name}"] for name in ("offsets", "nodes", "bits")))
            best = arrays["best.vectors"], arrays["best.outputs"], tree
        update = None
        if "update" in run:
            options = cast(Resolved, Options(**run["update"]["options"]))
            update = Start(
                options, arrays["update.vectors"],
                arrays["update.outputs"], arrays["update.added"], run["update"]["sha256"],
            )  # fmt: skip
        saved = Saved(model, keeping, position, results, best, update)
        fault = _fault(saved)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f"{shown(path)}: incomplete or inconsistent checkpoint: {shown(error)}"
        ) from None
    if fault is not None:
        raise FormatError(f"{shown(path)}: {fault} no checkpoint holds; take an older copy")
    shape = len(model.vocabulary), model.options.dim
    if best is not None:
        check_weights(path, "best.", *best, *shape)
    if update is not None:
        check_weights(path, "update.", update.vectors, update.outputs, model.tree, *shape)
    return saved


def _fault(saved: Saved) -> str | None:
    """What of a checkpoint can be in no file that `save_checkpoint` wrote."""
    position, keeping = saved.position, saved.keeping
    loss, predictions = position.loss, position.predictions
    texts = keeping.texts
    if loss.ndim != 1 or loss.dtype != np.float64 or not np.isfinite(loss).all():
        return "losses of chunks that"
    if predictions.shape != loss.shape or predictions.dtype != np.int64 or (predictions < 0).any():
        return "predictions of chunks that"
    if not 1 <= position.chunk_tokens <= LONGEST_CHUNK or not 0 <= position.seconds < math.inf:
        return "a size of chunks or seconds that"
    if texts is not None and not (
        isinstance(texts, list) and all(isinstance(text, str) for text in texts)
    ):
        return "names of texts that"
    if keeping.cuts is not None and not all(
        type(value) is int and 1 <= value < 2**40 for value in asdict(keeping.cuts).values()
    ):
        return "cuts of a run that"
    if not isinstance(keeping.save_vocab, str | None):
        return "a name of a vocabulary that"
    for result in saved.results:
        figures = asdict(result)
        if not all(isinstance(value, int | float) for value in figures.values()):
            return "results of the holdout that"
        if not all(math.isfinite(figures[name]) for name in figures if name != "perplexity"):
            return "results of the holdout that"
    if saved.best is not None and (saved.best[2] is None) != (saved.model.tree is None):
        return "best weights that"
    if saved.update is not None:
        added, counts = saved.update.added, saved.model.vocabulary.counts
        if added.dtype != np.int64 or added.shape != counts.shape:
            return "counts of new text that"
        if (
            (added < 0).any()
            or (added > counts).any()
            or not isinstance(saved.update.checksum, str)
        ):
            return "counts of new text that"
        run, model = saved.update.options, saved.model.options
        if (run.dim, run.arch, run.loss) != (model.dim, model.arch, model.loss):
            return "options of an update that"
    return None
