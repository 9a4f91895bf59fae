"""The output weights of a model as vectors with names.

The full softmax has an output vector for each word. Hierarchical softmax has none: its rows belong
to the inner nodes of the tree. There a row is named ``node:`` and the branches from the root to its
node, so that the root is ``node:`` and its left child ``node:0``. A word whose path is 0110, as
``w2v-hs tree export`` writes it, passes ``node:``, ``node:0``, ``node:01`` and ``node:011``. With h
the input vector of the context and u the row of a node, it goes left there with the probability
sigmoid(u h), and the product over the path is the probability of the word (Morin and Bengio 2005).
"""

import numpy as np

from w2v_hs.tree.tree import Tree
from w2v_hs.vectors.vectors import Vectors

NODE = "node:"


def output_vectors(words: list[str], outputs: np.ndarray, tree: Tree | None) -> Vectors:
    """Vectors of the words, or of the inner nodes from the heaviest to the lightest.

    words: V. outputs: (V, dim) float32, or (V - 1, dim) where there is a tree.

    Raises
    ------
    FormatError
        The paths are not those of one binary tree (a file can hold anything).
    """
    if tree is None:
        return Vectors(words, outputs)
    children, order = tree.children()
    names = [NODE] * tree.inner
    for node in order.tolist():  # parents come before their children
        for bit, child in enumerate(children[node].tolist()):
            if child >= len(words):
                names[child - len(words)] = f"{names[node]}{bit}"
    return Vectors(names, outputs)
