"""The figures of a model, as `w2v-hs info` shows them."""

import math
from typing import Any

import numpy as np

from w2v_hs.model.model import Model
from w2v_hs.tree import entropy


def summary(model: Model) -> dict[str, Any]:
    """See `Model.summary`."""
    vocabulary, tree = model.vocabulary, model.tree
    counts = vocabulary.counts
    kept = vocabulary.keep_probabilities(model.options.sample).astype(np.float64)
    of_tree = None
    if tree is not None:
        of_tree = {
            "kind": model.options.tree,
            "inner_nodes": tree.inner,
            "expected_length_bits": tree.expected_length(counts),
            "deepest_leaf": int(tree.lengths.max()),
        }
    return {
        "options": model.options.as_dict(),
        "vocabulary": {
            "words": len(vocabulary),
            "tokens": vocabulary.tokens,
            "entropy_bits": entropy(counts),
            # The loss of the relative frequencies alone, to compare with the losses.
            "unigram_loss_nats": entropy(counts * kept) * math.log(2),
        },
        "tree": of_tree,
        "losses": model.losses,
        "holdout_losses": model.holdout_losses,
        "provenance": model.provenance,
    }
