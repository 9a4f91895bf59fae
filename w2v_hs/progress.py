"""Progress of reading, compiling, training: bars, lines and the log."""

import contextlib
import logging
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

LOGGER = logging.getLogger("w2v_hs")


@dataclass
class Progress:
    """The state of a training run."""

    tokens: int  # trained so far
    total: int  # tokens of all epochs
    epoch: int  # the one that the loss is of
    rate: float  # current learning rate
    loss: float  # mean of the epoch so far, in nats per prediction; NaN if there is none yet
    seconds: float  # training time so far
    ended: bool = False  # whether the epoch has ended; its loss is then that of `Model.losses`

    @property
    def figures(self) -> str:
        """Speed, epoch, learning rate and loss, for people."""
        speed = self.tokens / self.seconds if self.seconds else 0.0
        loss = "" if math.isnan(self.loss) else f"  loss {self.loss:.3f}"
        return f"{speed:,.0f} words/s  epoch {self.epoch}  lr {self.rate:.4f}{loss}"


class Display:
    """What a run reports while it works. This base class shows nothing, but logs.

    The logger ``w2v_hs`` gets notes, a line when an epoch has ended and, of whatever takes longer,
    a line every `every` seconds.
    """

    every = 30.0
    _said: float | None = None  # when the last line was
    _part = ""  # begins each line

    def read(self, done: int, total: int | None) -> None:
        """Report the bytes read so far, and in all if known."""
        self._line_if_due("reading", done, total, f"{done / 1e6:,.1f} MB")

    def step(self, what: str) -> None:
        """Begin a step of unknown length."""

    def part(self, what: str) -> None:
        """Begin one of several runs; `what` begins its lines."""
        self.note(what)
        self._part = f"{what}: "

    def note(self, text: str) -> None:
        """Print a line that stays on the screen."""
        LOGGER.info(text)

    def train(self, progress: Progress) -> None:
        """Report the state of a training run."""
        self._line_if_due("training", progress.tokens, progress.total, progress.figures, progress.ended)

    def score(self, done: int, total: int) -> None:
        """Report the words scored so far, and in all."""
        self._line_if_due("scoring", done, total, f"{done:,} words")

    def repeat(self, done: float, runs: int) -> None:
        """Report how many training runs of a control have ended, and in all."""
        self._line_if_due("control", done, runs, f"{done:.0f} of {runs:,} models")

    def fit(self, done: int, figures: str) -> None:
        """Report the steps that a classifier has made, and how it stands."""
        self._line_if_due("fitting", done, None, figures)

    def checkpoint(self, path: Path, seconds: float, every: float) -> None:
        """Report a written checkpoint: the seconds it took, and those between checkpoints."""
        LOGGER.info(f"checkpoint in {seconds:.1f} s: {path}")

    def line(self, text: str) -> None:
        """Say how far a step has come."""
        LOGGER.info(text)

    def _line_if_due(
        self, title: str, done: float, total: int | None, figures: str, due: bool = False
    ) -> None:
        """A line about a step, if one is due or the last one was `every` seconds ago."""
        now = time.monotonic()
        self._said = now if self._said is None else self._said
        if due or now - self._said >= self.every:
            share = f" {done / total:.0%}" if total else ""
            self.line(f"{self._part}{title}{share}  {figures}")
            self._said = now


class Lines(Display):
    """Prints the lines on standard error."""

    def __init__(self, every: float = Display.every):
        self.every = every

    def line(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a full disk under standard error ends no run
            print(f"{text}\n", end="", file=sys.stderr, flush=True)  # whole, as runs train side by side


class Bars(Display):
    """One rich progress bar per step."""

    def __init__(self, bars: "RichProgress"):
        self._bars = bars
        self._task: TaskID | None = None
        self._title: str | None = None
        self._told_of_checkpoints = False

    def read(self, done: int, total: int | None) -> None:
        self._show("reading", done, total, f"{done / 1e6:,.1f} MB")

    def step(self, what: str) -> None:
        self._begin(what, None)

    def part(self, what: str) -> None:
        super().part(what)
        self.finish()
        self._title = None

    def note(self, text: str) -> None:
        self._bars.console.print(text, highlight=False)

    def train(self, progress: Progress) -> None:
        self._show("training", progress.tokens, progress.total, progress.figures)

    def score(self, done: int, total: int) -> None:
        self._show("scoring", done, total, f"{done:,} words")

    def repeat(self, done: float, runs: int) -> None:
        self._show("control", done, runs, f"{done:.0f} of {runs:,} models")

    def fit(self, done: int, figures: str) -> None:
        self._show("fitting", done, None, figures)

    def checkpoint(self, path: Path, seconds: float, every: float) -> None:
        if not self._told_of_checkpoints:
            size = path.stat().st_size / 1e6
            self.note(f"checkpoint of {size:,.0f} MB in {seconds:.1f} s, and every {every:g} s: {path}")
            self._told_of_checkpoints = True

    def _show(self, title: str, done: float, total: int | None, figures: str) -> None:
        self._bars.update(self._begin(title, total), completed=done, total=total, figures=figures)

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


class NotebookBars(Bars):
    """The bars below a cell of a notebook. Rich by itself would need ipywidgets for that."""

    def __init__(self, bars: "RichProgress"):
        from IPython import display as notebook

        super().__init__(bars)
        show: Any = notebook.display  # without types
        self._shown = show(bars, display_id=True)
        self._refreshed = 0.0

    def note(self, text: str) -> None:
        print(text)

    def _show(self, title: str, done: float, total: int | None, figures: str) -> None:
        super()._show(title, done, total, figures)
        if time.monotonic() - self._refreshed > 0.2:
            self._refresh()

    def finish(self) -> None:
        super().finish()
        self._refresh()

    def _refresh(self) -> None:
        self._shown.update(self._bars)
        self._refreshed = time.monotonic()


@contextlib.contextmanager
def display(show: bool | Display) -> Iterator[Display]:
    """Show progress during the block, or on a given display.

    Bars on a terminal (standard error) and in notebooks, else lines on standard error. If the
    logger is on, the same is in its lines, and nothing else is shown.
    """
    if isinstance(show, Display):
        yield show
        return
    logged = LOGGER.isEnabledFor(logging.INFO) and LOGGER.hasHandlers()
    if not show or logged or sys.stderr is None:
        yield Display()
        return
    in_notebook = _in_notebook()
    if not in_notebook and not sys.stderr.isatty():
        yield Lines()
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
    rich_bars = RichProgress(*columns, console=Console(stderr=True))
    with contextlib.nullcontext() if in_notebook else rich_bars:
        bars = (NotebookBars if in_notebook else Bars)(rich_bars)
        yield bars
        bars.finish()


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook, in which IPython displays more than text."""
    if "IPython" not in sys.modules:
        return False
    from rich.console import Console

    return Console().is_jupyter
