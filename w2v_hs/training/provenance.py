"""What a model file says of the run that made it."""

import platform
from typing import Any

import numpy as np

from w2v_hs.model.weights import Weights
from w2v_hs.text.corpus import Corpus
from w2v_hs.training.memory import peak_bytes
from w2v_hs.version import __version__


def provenance(corpus: Corpus, weights: Weights) -> dict[str, Any]:
    """What a model file says of the run: text, versions, figures."""
    text = {
        "names": corpus.names,
        "sha256": corpus.checksum,
        "tokens": corpus.tokens,
        "types": corpus.types,
        "retained_tokens": len(corpus.ids),
        "sentences": len(corpus.sentences) - 1,
        "mended_utf8": corpus.mended,
    }
    return facts_of(text, weights)


def facts_of(text: dict[str, Any], weights: Weights) -> dict[str, Any]:
    """As `provenance`, of a text of which these facts are known."""
    import numba

    return {
        "corpus": text,
        "versions": {
            "w2v_hs": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "numba": numba.__version__,
        },
        "training_seconds": weights.seconds,
        "predictions": weights.predictions,
        "peak_memory_bytes": peak_bytes(),
    }
