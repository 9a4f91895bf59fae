"""Word embeddings with hierarchical softmax: fast on many threads, exact in its probabilities.

    import w2v_hs
    model = w2v_hs.train("text.txt")
    model.vectors.most_similar("paris")

The modules in the order in which data flows: `download`, `catalog`, `extract` and `sources`
(where text comes from), `text` and `corpus` (text to numbers), `vocabulary`, `tree`, `codes`,
`growth` and `learned` (trees that users bring, that grow, that learn), `kernels`, `classifier`,
`workers`, `schedule`, `probe` and `trainer` (threads that train), `shards`, `rounds` and `costs`
(what a worker of a cluster does), `vectors`, `readers`, `formats`, `storage`, `likelihood`,
`holdout`, `probability`, `update`, `model`, `loading`, `checkpoint`, `cluster`, `cluster_text`,
`distributed` and `cluster_training` (training on Dask), `training`, `anatomy`, `evaluation`,
`show`, and the commands: `train_commands`, `vector_commands`, `evaluate_commands`, `predicting`,
`tree_commands`, `corpus_commands`, `cli`.
"""

from importlib import import_module

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
    "evaluate": "w2v_hs.evaluation",
    "W2VError": "w2v_hs.errors",
}

__all__ = [*sorted(_PUBLIC), "__version__"]


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module 'w2v_hs' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
