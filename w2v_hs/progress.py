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
    """Where a run is: tokens trained of all tokens of all epochs, the rate now, the mean loss of
    late in nats a prediction, and the seconds since it began."""

    tokens: int
    total: int
    epoch: int
    rate: float
    loss: float
    seconds: float


class Display:
    """Shows nothing. The interface of a display."""

    def read(self, done: int, total: int | None) -> None:
        """Bytes read so far, and in all where that is known."""

    def step(self, what: str) -> None:
        """A step whose length is not known begins."""

    def note(self, text: str) -> None:
        """A line that stays."""

    def train(self, progress: Progress) -> None:
        """Where a training run is."""

    def score(self, done: int, total: int) -> None:
        """Words scored so far, and in all."""

    def checkpoint(self, path: Path, seconds: float, every: float) -> None:
        """A checkpoint was written in so many seconds, as one is every so many."""


class Bars(Display):
    """Shows one rich progress bar a step, on standard error."""

    def __init__(self, bars: "RichProgress"):
        self._bars = bars
        self._task: TaskID | None = None
        self._title: str | None = None
        self._told_of_checkpoints = False

    def read(self, done: int, total: int | None) -> None:
        task = self._begin("reading", total)
        self._bars.update(task, completed=done, total=total, figures=_megabytes(done))

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
            self.note(
                f"checkpoint of {size:,.0f} MB in {seconds:.1f} s, and every {every:g} s: {path}"
            )
            self._told_of_checkpoints = True

    def _begin(self, title: str, total: int | None) -> "TaskID":
        if self._task is None or title != self._title:
            self.finish()
            self._title = title
            self._task = self._bars.add_task(title, total=total, figures="")
        return self._task

    def finish(self) -> None:
        """Let the bar of the step that ends show 100 %."""
        if self._task is not None:
            done = self._bars.tasks[self._task].completed or 1
            self._bars.update(self._task, completed=done, total=done)
            self._bars.stop_task(self._task)


@contextlib.contextmanager
def display(show: bool | Display) -> Iterator[Display]:
    """A display: the given one, or bars where `show` is true and standard error is a terminal."""
    if isinstance(show, Display):
        yield show
        return
    if not show or sys.stderr is None or not sys.stderr.isatty():
        yield Display()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[figures]}"),
        Remaining(compact=True, elapsed_when_finished=True),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as bars:
        shown = Bars(bars)
        yield shown
        shown.finish()


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
