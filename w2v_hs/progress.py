"""Progress on a terminal: reading, compiling, training."""

import contextlib
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


@dataclass
class Progress:
    """The state of a training run."""

    tokens: int  # trained so far
    total: int  # tokens of all epochs
    epoch: int  # the current one
    rate: float  # current learning rate
    loss: float  # recent mean, in nats per prediction; NaN if there is none yet
    seconds: float  # training time so far


class Display:
    """What a run reports while it works. This base class shows nothing."""

    def read(self, done: int, total: int | None) -> None:
        """Report the bytes read so far, and in all if known."""

    def step(self, what: str) -> None:
        """Begin a step of unknown length."""

    def note(self, text: str) -> None:
        """Print a line that stays on the screen."""

    def train(self, progress: Progress) -> None:
        """Report the state of a training run."""

    def score(self, done: int, total: int) -> None:
        """Report the words scored so far, and in all."""

    def checkpoint(self, path: Path, seconds: float, every: float) -> None:
        """Report a written checkpoint: the seconds it took, and those between checkpoints."""


class Bars(Display):
    """One rich progress bar per step."""

    def __init__(self, bars: "RichProgress"):
        self._bars = bars
        self._task: TaskID | None = None
        self._title: str | None = None
        self._told_of_checkpoints = False

    def read(self, done: int, total: int | None) -> None:
        task = self._begin("reading", total)
        self._bars.update(task, completed=done, total=total, figures=f"{done / 1e6:,.1f} MB")

    def step(self, what: str) -> None:
        self._begin(what, None)

    def note(self, text: str) -> None:
        self._bars.console.print(text, highlight=False)

    def train(self, progress: Progress) -> None:
        task = self._begin("training", progress.total)
        speed = progress.tokens / progress.seconds if progress.seconds else 0.0
        loss = "" if math.isnan(progress.loss) else f"  loss {progress.loss:.3f}"
        self._bars.update(
            task,
            completed=progress.tokens,
            figures=f"{speed:,.0f} words/s  epoch {progress.epoch}  lr {progress.rate:.4f}{loss}",
        )

    def score(self, done: int, total: int) -> None:
        task = self._begin("scoring", total)
        self._bars.update(task, completed=done, figures=f"{done:,} words")

    def checkpoint(self, path: Path, seconds: float, every: float) -> None:
        if not self._told_of_checkpoints:
            size = path.stat().st_size / 1e6
            self.note(f"checkpoint of {size:,.0f} MB in {seconds:.1f} s, and every {every:g} s: {path}")
            self._told_of_checkpoints = True

    def _begin(self, title: str, total: int | None) -> "TaskID":
        """The task of the step with this title, a new one if it is not the current step."""
        if self._task is None or title != self._title:
            self.finish()
            self._title = title
            self._task = self._bars.add_task(title, total=total, figures="")
        return self._task

    def finish(self) -> None:
        """End the current step; its bar shows 100 %."""
        if self._task is not None:
            done = self._bars.tasks[self._task].completed or 1
            self._bars.update(self._task, completed=done, total=done)
            self._bars.stop_task(self._task)


@contextlib.contextmanager
def display(show: bool | Display) -> Iterator[Display]:
    """Show progress during the block: bars on standard error, if a terminal, or a given display."""
    if isinstance(show, Display):
        yield show
        return
    if not show or sys.stderr is None or not sys.stderr.isatty():
        yield Display()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as rich_bars:
        bars = Bars(rich_bars)
        yield bars
        bars.finish()
