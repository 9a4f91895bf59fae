"""A trained model: vectors, output weights, tree and vocabulary; what it predicts, its file.

`model` has the class and `predictions` the part of it that predicts: words by `probability`, the
loss of whole texts by `scoring`. `contents` says what its file holds, `file` reads it, `new_words`
adds words. Training is in `training`.
"""

from w2v_hs.model.file import load
from w2v_hs.model.model import Model

__all__ = ["Model", "load"]
