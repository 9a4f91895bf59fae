"""Room for new words in a trained model: its parameters over a larger vocabulary."""

from collections.abc import Mapping
from numbers import Integral
from typing import NamedTuple

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import OptionError, VocabularyError
from w2v_hs.model.weights import start_vectors
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.tree.growth import grow
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32


class Parameters(NamedTuple):
    """What training changes in a model.

    vectors: (V, dim) float32. outputs: (V - 1, dim) float32 of the inner nodes of `tree` or, where
    that is None, (V, dim) of the words.
    """

    vocabulary: Vocabulary
    vectors: Float32
    outputs: Float32
    tree: Tree | None


def check_counts(counts: Mapping[str, int]) -> None:
    """Raise `VocabularyError` for what is not a word, or not a number of occurrences."""
    for word, count in counts.items():
        if not isinstance(word, str) or not word:
            raise VocabularyError(f"{shown(repr(word), 60)}: expected a word")
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
            raise VocabularyError(
                f"'{shown(word, 60)}' has the count {shown(repr(count), 60)}: expected a whole "
                "number from 1"
            )


def extended(known: Parameters, vocabulary: Vocabulary, seed: int) -> Parameters:
    """Parameters over `vocabulary`, which holds all words of the known ones and maybe more.

    Known words keep their vectors, and all nodes of the tree their weights (see `tree.growth`).

    Raises
    ------
    OptionError
        New words, and no tree in which they could have a place.
    """
    old, dim = known.vocabulary, known.vectors.shape[1]
    new = [word for word in vocabulary.words if word not in old.index]
    rows = np.array([vocabulary.index[word] for word in (*old.words, *new)], np.int64)
    vectors = np.empty((len(vocabulary), dim), np.float32)
    vectors[rows[: len(old)]] = known.vectors
    # A seed of its own: these vectors must not be those that other words began with.
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
