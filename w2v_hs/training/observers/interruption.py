"""What happens while a run trains: signals that stop it, and checkpoints from time to time."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from w2v_hs.checks import spoken, warn
from w2v_hs.errors import Interrupted, OutputError
from w2v_hs.model.model import Model
from w2v_hs.model.weights import Weights
from w2v_hs.progress import Display
from w2v_hs.termination import terminate
from w2v_hs.training.loop import Observer
from w2v_hs.training.observers.checkpoint import CheckpointSettings, UpdateStart, save_checkpoint
from w2v_hs.training.observers.holdout import Holdout
from w2v_hs.training.start import Held
from w2v_hs.training.threads import LOOK, Position

_REPEATED = 1.0  # seconds in which a second signal is the same one: `timeout` sends two
_REPLACED = (signal.SIG_DFL, signal.default_int_handler, terminate)


class StopSignals:
    """While the block lasts, SIGINT and SIGTERM are noted and the program continues.

    A second signal, a second later, stops the program at once. Outside the main thread, and where
    the program has handlers of its own, nothing changes.
    """

    def __init__(self, numbers: tuple[int, ...], note: Callable[[str], None]):
        self.numbers, self.note = numbers, note
        self.received: int | None = None
        self._at = 0.0  # when, by the monotonic clock
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        for number in self.numbers:
            if signal.getsignal(number) in _REPLACED:
                with contextlib.suppress(ValueError):  # not the main thread
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _receive(self, number: int, frame: object) -> None:
        if self.received is None:
            self.received, self._at = number, time.monotonic()
            self.note("stopping ...")
            return
        if time.monotonic() - self._at < _REPEATED:
            return
        self.__exit__()
        os.kill(os.getpid(), number)


class Checkpointer(Observer):
    """Writes a checkpoint from time to time, and after a signal, which also ends the run.

    A context manager around the run. Without `settings` there are no checkpoints, and only Ctrl-C
    ends the run, with the model as it is. `display` gets notes for people. signals: those that the
    caller watches, for several runs at once; None: its own.
    """

    def __init__(
        self,
        settings: CheckpointSettings | None,
        model_of: Callable[[Weights], Model],
        display: Display,
        holdout: Holdout | None = None,
        update: UpdateStart | None = None,
        held: Held = Held(),  # noqa: B008 (frozen)
        signals: StopSignals | None = None,
    ):
        self.settings, self.model_of, self.display = settings, model_of, display
        self.holdout, self.update, self.held = holdout, update, held
        self.every = settings.every if settings is not None else 0.0
        self.look = min(LOOK, self.every) if self.every else LOOK
        numbers = (signal.SIGINT,) if settings is None else (signal.SIGINT, signal.SIGTERM)
        self.shares_signals = signals is not None
        self.signals = signals or StopSignals(numbers, display.note)
        self.last = time.monotonic()

    def __enter__(self) -> "Checkpointer":
        if not self.shares_signals:
            self.signals.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if not self.shares_signals:
            self.signals.__exit__()

    def stopping(self) -> bool:
        return self.signals.received is not None

    def due(self) -> bool:
        return self.stopping() or 0 < self.every <= time.monotonic() - self.last

    def halt(self, weights: Weights, position: Position) -> None:
        """Write a checkpoint. Raises `Interrupted` after a signal."""
        model, number = self.model_of(weights), self.signals.received
        if self.settings is None:
            assert number is not None  # else nothing was due
            advice = spoken("", "; .model is the model so far, in a notebook sys.last_value.model")
            raise Interrupted(f"stopped{advice}", model, number, None)
        started = time.monotonic()
        try:
            save_checkpoint(self.settings, model, position, self.holdout, self.update, self.held)
        except OutputError as error:
            if number is not None:
                message = f"stopped, nothing saved: {error}"
                raise Interrupted(message, model, number, None) from error
            warn(f"no checkpoint: {error}; training continues")
        else:
            if number is not None:
                path = self.settings.path
                advice = spoken("", f"; to resume: w2v_hs.resume({str(path)!r})")
                raise Interrupted(f"stopped{advice}", model, number, path)
            self.display.checkpoint(self.settings.path, time.monotonic() - started, self.every)
        self.last = time.monotonic()
