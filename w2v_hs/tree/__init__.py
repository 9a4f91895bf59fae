"""Binary trees over the vocabulary, and every way to get one.

`tree` holds the paths (CSR), Huffman and balanced trees; `learned` builds a tree from mean
contexts, `user_trees` reads one, `growth` adds words to one.
"""

from w2v_hs.tree.growth import grow
from w2v_hs.tree.tree import Tree, balanced, entropy, huffman, tree_from_children
from w2v_hs.tree.user_trees import build_tree, nested_codes, read_codes, save_codes, tree_from_codes

__all__ = [
    "Tree",
    "balanced",
    "build_tree",
    "entropy",
    "grow",
    "huffman",
    "nested_codes",
    "read_codes",
    "save_codes",
    "tree_from_children",
    "tree_from_codes",
]
