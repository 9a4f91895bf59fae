"""Word embeddings with hierarchical softmax: fast on many threads, exact in its probabilities.

    import w2v_hs
    model = w2v_hs.train("text.txt")
    model.vectors.most_similar("paris")

The folders in the order in which data flows; each imports only from those before it: `kernels`
(compiled loops over arrays), `files`, `text` (text to numbers), `tree`, `vectors` (and their file
formats), `model` (what it predicts), `training`, `evaluation`, `comparison` (of models),
`classifier`, `reporting`, `cli`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from w2v_hs.version import __version__ as __version__

if TYPE_CHECKING:  # for type checkers, which do not see what `__getattr__` does
    from w2v_hs.comparison import align as align
    from w2v_hs.comparison import shift as shift
    from w2v_hs.comparison import stability as stability
    from w2v_hs.errors import Interrupted as Interrupted
    from w2v_hs.errors import W2VError as W2VError
    from w2v_hs.evaluation import compare as compare
    from w2v_hs.evaluation import evaluate as evaluate
    from w2v_hs.model import Model as Model
    from w2v_hs.model import load as load
    from w2v_hs.options import Options as Options
    from w2v_hs.reporting import report as report
    from w2v_hs.text import join_phrases as join_phrases
    from w2v_hs.training import resume as resume
    from w2v_hs.training import train as train
    from w2v_hs.vectors import Vectors as Vectors
    from w2v_hs.vectors import load_vectors as load_vectors
    from w2v_hs.vectors import save_vectors as save_vectors

# Name -> where it is. Imported when first used, so that `import w2v_hs` is quick.
_PUBLIC = {
    "train": "w2v_hs.training",
    "resume": "w2v_hs.training",
    "Interrupted": "w2v_hs.errors",
    "load": "w2v_hs.training",  # by way of `training`, which lets a model be updated
    "Model": "w2v_hs.training",
    "Options": "w2v_hs.options",
    "Vectors": "w2v_hs.vectors",
    "load_vectors": "w2v_hs.vectors",
    "save_vectors": "w2v_hs.vectors",
    "evaluate": "w2v_hs.evaluation",
    "compare": "w2v_hs.evaluation",
    "align": "w2v_hs.comparison",
    "shift": "w2v_hs.comparison",
    "stability": "w2v_hs.comparison",
    "join_phrases": "w2v_hs.text",
    "report": "w2v_hs.reporting",
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
