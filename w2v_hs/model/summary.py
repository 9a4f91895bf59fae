"""The figures of a model, as `w2v-hs info` shows them."""

import math
from typing import Any

from w2v_hs.options import Options, Resolved
from w2v_hs.text import Vocabulary
from w2v_hs.tree import Tree, entropy


def vocabulary_summary(vocabulary: Vocabulary, options: Resolved) -> dict[str, Any]:
    """Counts, and the entropy of the relative frequencies."""
    counts = vocabulary.counts
    return {
        "words": len(vocabulary),
        "tokens": vocabulary.tokens,
        "entropy_bits": entropy(counts),
        # The loss of the relative frequencies alone, to compare with the losses.
        "unigram_loss_nats": entropy(vocabulary.kept_frequencies(options.sample)) * math.log(2),
    }


def tree_summary(tree: Tree | None, vocabulary: Vocabulary, options: Options) -> dict[str, Any] | None:
    """Size and depth of the tree; None without one."""
    if tree is None:
        return None
    return {
        "kind": options.tree,
        "inner_nodes": tree.inner,
        "expected_length_bits": tree.expected_length(vocabulary.counts),
        "deepest_leaf": int(tree.lengths.max()),
    }
