"""New words for a trained model: its parameters over a larger vocabulary."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from w2v_hs.checks import is_integer, is_text, shown
from w2v_hs.errors import OptionError, VocabularyError
from w2v_hs.model.weights import start_vectors
from w2v_hs.text import Vocabulary
from w2v_hs.tree import Tree, grow
from w2v_hs.types import Float32, Int64
from w2v_hs.vectors.subwords import Subwords, compose_rows


class Parameters(NamedTuple):
    """What training changes in a model."""

    vocabulary: Vocabulary  # V words and their counts
    vectors: Float32  # (V, dim)
    outputs: Float32  # (V - 1, dim), by inner node of `tree`; without a tree (V, dim), by word
    tree: Tree | None  # None for the full softmax
    subwords: Subwords | None = None  # the rows that compose `vectors`, if words have n-grams

    @property
    def inputs(self) -> Float32:
        """What training changes of the inputs: `vectors`, or the rows that compose them."""
        return self.vectors if self.subwords is None else self.subwords.rows


def check_counts(counts: Mapping[Any, int]) -> None:
    """Raise `VocabularyError` for a key that is not a word, or a value that is not a count.

    `TypeError` for anything but a mapping.
    """
    if not isinstance(counts, Mapping):
        raise TypeError(f"counts is of type {type(counts).__name__}: expected a dict of words and counts")
    for word, count in counts.items():
        if not (is_integer(word) or (isinstance(word, str) and word and is_text(word))):
            raise VocabularyError(f"{shown(repr(word), 60)}: expected a word, without NUL or lone surrogates")
        if not is_integer(count) or count < 1:
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
    inputs, subwords = _extended_inputs(known, vocabulary, rows, seed)
    vectors = inputs if subwords is None else compose_rows(subwords.ngrams.parts(vocabulary.words), inputs)
    if known.tree is None:
        if new:
            raise OptionError(
                f"{len(new):,} new words: a model of the full softmax has no tree that could grow; "
                "update it with new_words=False, or train anew"
            )
        outputs = np.empty_like(vectors)
        outputs[rows] = known.outputs
        return Parameters(vocabulary, vectors, outputs, None, subwords)
    counts = vocabulary.counts[rows]
    tree, former = grow(known.tree, counts[: len(old)], counts[len(old) :], rows)
    outputs = np.zeros((tree.inner, dim), np.float32)
    outputs[former >= 0] = known.outputs[former[former >= 0]]
    return Parameters(vocabulary, vectors, outputs, tree, subwords)


def _extended_inputs(
    known: Parameters, vocabulary: Vocabulary, rows: Int64, seed: int
) -> tuple[Float32, Subwords | None]:
    """What training changes of the inputs, over more words; `rows` of the known ones, then the new.

    The n-grams that only new words have follow the known ones.
    """
    old, words, dim = len(known.vocabulary), len(vocabulary), known.vectors.shape[1]
    ngrams = known.subwords.ngrams.extended(vocabulary.words) if known.subwords is not None else None
    inputs = np.empty((words + len(ngrams or ()), dim), np.float32)
    inputs[rows[:old]] = known.inputs[:old]
    # Another seed than in training, so that no new word starts with the vector of a known one.
    inputs[rows[old:]] = start_vectors(words - old, dim, seed + old)[:, :dim]
    if ngrams is None or known.subwords is None:
        return inputs, None
    trained = len(known.subwords.ngrams)
    inputs[words : words + trained] = known.inputs[old:]
    inputs[words + trained :] = start_vectors(len(ngrams) - trained, dim, seed + words)[:, :dim]
    return inputs, Subwords(ngrams, inputs)
