"""A trained model: vectors, output weights, tree and vocabulary; what it predicts, its file.

`probability` gives the probability of words, `scoring` that of whole texts, `loading` reads a model
file. What trains a model is in `training`.
"""

from w2v_hs.model.loading import load
from w2v_hs.model.model import Model

__all__ = ["Model", "load"]
