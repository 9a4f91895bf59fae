"""What happens after each epoch: the text set aside is measured, callbacks are called."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from w2v_hs.checks import short
from w2v_hs.errors import OptionError
from w2v_hs.model.model import Model
from w2v_hs.model.weights import Weights
from w2v_hs.training.observers.holdout import Holdout


@dataclass(frozen=True)
class Epoch:
    """What a callback gets after each epoch.

    Attributes
    ----------
    epoch
        Its number, from 1.
    loss
        Its mean loss in nats per prediction; None if there was nothing to predict.
    holdout_loss
        That of the held-out sentences after it; None without any.
    model
        The model as it is now: a view of weights that training changes once the call returns. To
        keep it, save it or take `copy.deepcopy`.
    """

    epoch: int
    loss: float | None
    holdout_loss: float | None
    model: Model


# Returning True ends the run; whatever else it returns is ignored.
Callback: TypeAlias = Callable[[Epoch], object]
Callbacks: TypeAlias = Callback | Iterable[Callback]


def listed(callbacks: Callbacks) -> list[Callback]:
    """One callback or several as a list; `TypeError` for what cannot be called."""
    found = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    for callback in found:
        if not callable(callback):
            raise TypeError(f"callbacks holds {short(callback)}: expected functions of one argument")
    return found


def check_no_callbacks(callbacks: list[Callback]) -> None:
    """Raise `OptionError` if there are callbacks: not for a run on a cluster."""
    if callbacks:
        raise OptionError(
            "callbacks on a cluster: not supported, weights stay with the workers; leave them out"
        )


class AfterEpoch:
    """Measures the sentences set aside, if any, and calls the callbacks, in their order.

    model_of: the model of weights in the middle of the run.
    """

    def __init__(
        self, callbacks: list[Callback], model_of: Callable[[Weights], Model], holdout: Holdout | None = None
    ):
        self.callbacks, self.model_of, self.holdout = callbacks, model_of, holdout

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.callbacks) or self.holdout is not None

    def __call__(self, weights: Weights) -> bool:
        """Return True to end the run; `weights` are then the best ones, if patience asks for it."""
        ends = self.holdout.measure(weights) if self.holdout is not None else False
        if self.callbacks:
            holdout_loss = self.holdout.results[-1].nats if self.holdout is not None else None
            losses, model = weights.losses, self.model_of(weights)
            done = Epoch(len(losses), losses[-1], holdout_loss, model)
            answers = [callback(done) for callback in self.callbacks]
            ends |= any(isinstance(answer, (bool, np.bool)) and bool(answer) for answer in answers)
        if ends and self.holdout is not None:
            self.holdout.restore_best_in_place(weights)
        return ends
