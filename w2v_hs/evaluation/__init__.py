"""How good vectors are: analogies, word similarity, comparison of models.

`testsets` reads the test sets, `answering` answers them, `statistics` gives intervals and tests,
`protocol` what two evaluations share.
"""

from w2v_hs.evaluation.comparison import compare
from w2v_hs.evaluation.evaluation import evaluate

__all__ = ["compare", "evaluate"]
