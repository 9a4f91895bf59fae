"""The output weights of a model as vectors with names.

The full softmax has an output vector for each word. In hierarchical softmax, a row belongs to an
inner node of the tree. It is named ``node:`` and the branches from the root to the node: the root
is ``node:``, its left child ``node:0``. A word with the path 0110, as written by ``w2v-hs tree
export``, passes ``node:``, ``node:0``, ``node:01`` and ``node:011``. With h the input vector of the
context and u the row of a node, the probability of going left is sigmoid(u · h), and the product
over the path is the probability of the word (Morin and Bengio, 2005).
"""

from typing import Any

from w2v_hs.tree import Tree
from w2v_hs.types import Float32
from w2v_hs.vectors import Vectors

NODE = "node:"


def output_vectors(words: list[Any], outputs: Float32, tree: Tree | None) -> Vectors:
    """The output weights as `Vectors`: of the words, or of the inner nodes, heaviest first.

    words: V, most frequent first. outputs (V - 1, dim), by inner node; (V, dim), by word, without a
    tree. `FormatError` if the paths are not those of one binary tree, as in a damaged file.
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
