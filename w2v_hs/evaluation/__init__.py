"""How good vectors are: analogies, word similarity, comparison of models.

`testsets` reads the test sets, `protocol` checks the options and asks one model everything,
`answering` computes the answers, `statistics` intervals and tests, `tables` shows results.
"""

from w2v_hs.evaluation.comparison import compare
from w2v_hs.evaluation.evaluation import evaluate

__all__ = ["compare", "evaluate"]
