"""New words for a trained model: its parameters over a larger vocabulary."""

from collections.abc import Mapping
from numbers import Integral
from typing import NamedTuple

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import OptionError, VocabularyError
from w2v_hs.model.weights import start_vectors
from w2v_hs.text import Vocabulary
from w2v_hs.tree import Tree, grow
from w2v_hs.types import Float32


class Parameters(NamedTuple):
    """What training changes in a model."""

    vocabulary: Vocabulary  # V words and their counts
    vectors: Float32  # (V, dim)
    outputs: Float32  # (V - 1, dim), by inner node of `tree`; without a tree (V, dim), by word
    tree: Tree | None  # None for the full softmax


def check_counts(counts: Mapping[str, int]) -> None:
    """Raise `VocabularyError` for a key that is not a word, or a value that is not a count."""
    for word, count in counts.items():
        if not isinstance(word, str) or not word:
            raise VocabularyError(f"{shown(repr(word), 60)}: expected a word")
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
            raise VocabularyError(
                f"'{shown(word, 60)}' has the count {shown(repr(count), 60)}: expected a whole number from 1"
            )


def extended(known: Parameters, vocabulary: Vocabulary, seed: int) -> Parameters:
    """Parameters over a vocabulary that contains all known words, and maybe new ones.

    Known words keep their vectors, and nodes of the tree their weights (see `tree.growth`). New
    words get vectors from `seed`, that of the model. `OptionError` if there are new words, but no
    tree to put them in.
    """
    old, dim = known.vocabulary, known.vectors.shape[1]
    new = [word for word in vocabulary.words if word not in old.index]
    rows = np.array([vocabulary.index[word] for word in (*old.words, *new)], np.int64)
    vectors = np.empty((len(vocabulary), dim), np.float32)
    vectors[rows[: len(old)]] = known.vectors
    # Another seed than in training, so that no new word starts with the vector of a known one.
    vectors[rows[len(old) :]] = start_vectors(len(new), dim, seed + len(old))[:, :dim]
    if known.tree is None:
        if new:
            raise OptionError(
                f"{len(new):,} new words: a model of the full softmax has no tree that could grow; "
                "update it with new_words=False, or train anew"
            )
        outputs = np.empty_like(vectors)
        outputs[rows] = known.outputs
        return Parameters(vocabulary, vectors, outputs, None)
    counts = vocabulary.counts[rows]
    tree, former = grow(known.tree, counts[: len(old)], counts[len(old) :], rows)
    outputs = np.zeros((tree.inner, dim), np.float32)
    outputs[former >= 0] = known.outputs[former[former >= 0]]
    return Parameters(vocabulary, vectors, outputs, tree)
