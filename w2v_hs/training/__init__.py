"""Training, from text to model. `api.train` is the place to start.

`loop` is a training run, `run` its order (chunks, learning rate), `workers` the threads;
`checkpoint`, `holdout` and `divergence` watch it, `update` trains a model further. `cluster` trains
on Dask.
"""

from w2v_hs.training.api import resume, train

__all__ = ["resume", "train"]
