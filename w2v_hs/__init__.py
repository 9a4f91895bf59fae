"""Word embeddings with hierarchical softmax: fast on many threads, exact in its probabilities.

    import w2v_hs
    model = w2v_hs.train("text.txt")
    model.vectors.most_similar("paris")

The modules in the order in which data flows: `download`, `catalog`, `tokenizing`, `cleaning`,
`extract`, `parquet_pages`, `columns` and `sources` (where text comes from), `text` and `corpus`
(text to numbers), `vocabulary`, `tree`, `codes`, `growth` and `learned` (trees that users bring,
that grow, that learn), `kernels`, `classifier`, `workers`, `schedule`, `probe` and `trainer`
(threads that train), `shards`, `rounds` and `costs` (what a worker of a cluster does), `vectors`,
`output_vectors`, `storage`, `escaping`, `readers`, `writers`, `tables`, `folders`, `formats` (files
of vectors), `phrases` (words that are joined), `likelihood`, `holdout`, `probability`, `update`,
`model`, `loading`, `checkpoint`, `cluster`, `cluster_text`, `distributed` and `cluster_training`
(training on Dask), `training`, `anatomy`, `testsets`, `answering`, `statistics`, `protocol`,
`evaluation` and `comparison` (how good vectors are), `show`, `wordmap`, `report_figures`,
`report_evaluation` and `report` (a page on a model), `evaluation_tables`, `completion`, and the
commands: `text_options`, `train_commands`, `vector_commands`, `evaluate_commands`, `predicting`,
`tree_commands`, `report_commands`, `corpus_commands`, `cli`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers, which do not see what `__getattr__` does
    from w2v_hs.comparison import compare as compare
    from w2v_hs.errors import Interrupted as Interrupted
    from w2v_hs.errors import W2VError as W2VError
    from w2v_hs.evaluation import evaluate as evaluate
    from w2v_hs.formats import load_vectors as load_vectors
    from w2v_hs.formats import save_vectors as save_vectors
    from w2v_hs.loading import load as load
    from w2v_hs.model import Model as Model
    from w2v_hs.options import Options as Options
    from w2v_hs.phrases import join_phrases as join_phrases
    from w2v_hs.training import resume as resume
    from w2v_hs.training import train as train
    from w2v_hs.vectors import Vectors as Vectors

__version__ = "0.1.0"

# Name -> module. Imported when first used, so that `import w2v_hs` is quick.
_PUBLIC = {
    "train": "w2v_hs.training",
    "resume": "w2v_hs.training",
    "Interrupted": "w2v_hs.errors",
    "load": "w2v_hs.loading",
    "Model": "w2v_hs.model",
    "Options": "w2v_hs.options",
    "Vectors": "w2v_hs.vectors",
    "load_vectors": "w2v_hs.formats",
    "save_vectors": "w2v_hs.formats",
    "evaluate": "w2v_hs.evaluation",
    "compare": "w2v_hs.comparison",
    "join_phrases": "w2v_hs.phrases",
    "W2VError": "w2v_hs.errors",
}

__all__ = [*sorted(_PUBLIC), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'w2v_hs' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
