"""How good vectors are: analogies, word similarity, comparison of models.

`testsets` reads the test sets, `protocol` checks the options and asks one model everything,
`answering` computes the answers, `statistics` intervals and tests, `tables` shows results.
"""

from w2v_hs.evaluation.comparison import compare
from w2v_hs.evaluation.evaluation import Result, evaluate
from w2v_hs.evaluation.tables import as_html, as_text

Result.as_text, Result.as_html = as_text, as_html

__all__ = ["compare", "evaluate"]
