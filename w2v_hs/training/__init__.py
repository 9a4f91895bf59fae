"""Training, from text to model. `api.train` is the place to start, `recipe` has its steps.

`loop` is a training run: `threads` train the chunks of a `schedule`, each with a worker of
`workers`, and `divergence` checks the weights; `observers` watch it. `start` is what it begins with
besides random vectors. `replicas` merges several runs, `update` trains a model further, `cluster`
trains on Dask, `resuming` continues a run that was stopped.
"""

from w2v_hs.model import Model, load
from w2v_hs.training.api import train
from w2v_hs.training.resuming import resume
from w2v_hs.training.update import update

Model.trainer = update

__all__ = ["Model", "load", "resume", "train"]
