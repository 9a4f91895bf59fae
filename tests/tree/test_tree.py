import itertools
import time
from fractions import Fraction

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_hs.errors import VocabularyError
from w2v_hs.tree.tree import balanced, entropy, huffman

BUILDERS = [huffman, balanced]
counts_lists = st.lists(st.integers(1, 10**6), min_size=2, max_size=80)


def codes(tree):
    return [tree.code(word) for word in range(len(tree.offsets) - 1)]


@pytest.mark.parametrize("build", BUILDERS)
@given(counts=counts_lists)
def test_codes_are_prefix_free_and_complete(build, counts):
    found = sorted(codes(build(counts)))
    assert len(found) == len(counts)
    assert not any(b.startswith(a) for a, b in itertools.pairwise(found))
    assert sum(Fraction(1, 2 ** len(code)) for code in found) == 1  # Kraft


@pytest.mark.parametrize("build", BUILDERS)
@given(counts=counts_lists)
def test_paths_are_those_of_one_tree(build, counts):
    """The same branches lead to the same node; every inner node has two children."""
    tree = build(counts)
    node_at, children = {}, {}
    for word, code in enumerate(codes(tree)):
        for depth, (node, sign) in enumerate(naive.path(tree, word)):
            assert node_at.setdefault(code[:depth], node) == node
            assert sign == (1 if code[depth] == "0" else -1)
            children.setdefault(node, set()).add(code[: depth + 1])
    assert sorted(children) == list(range(len(counts) - 1))
    assert all(len(c) == 2 for c in children.values())
    assert tree.nodes[tree.offsets[0]] == 0  # the root


@pytest.mark.parametrize("build", BUILDERS)
@given(counts=counts_lists)
def test_inner_nodes_are_numbered_by_weight(build, counts):
    tree = build(counts)
    weights = np.zeros(tree.inner, np.int64)
    for word, count in enumerate(counts):
        for node, _ in naive.path(tree, word):
            weights[node] += count
    assert np.all(np.diff(weights) <= 0)


@given(counts=counts_lists)
def test_huffman_cost(counts):
    cost = int(np.dot(huffman(counts).lengths, counts))
    assert cost == naive.huffman_cost(counts)
    assert cost <= int(np.dot(balanced(counts).lengths, counts))
    assert entropy(np.array(counts)) - 1e-9 <= cost / sum(counts) < entropy(np.array(counts)) + 1


@pytest.mark.parametrize("depth", [60, 85])
def test_fibonacci_counts_give_the_deepest_tree(depth):
    counts = [1, 1]
    while len(counts) <= depth:
        counts.append(counts[-1] + counts[-2])
    tree = huffman(counts)
    assert tree.lengths.max() == depth
    assert sum(int(n) * c for n, c in zip(tree.lengths, counts, strict=True)) == (naive.huffman_cost(counts))


@given(words=st.integers(2, 3000))
def test_balanced_depth(words):
    tree = balanced(np.ones(words, np.int64))
    assert tree.lengths.max() == (words - 1).bit_length()
    assert tree.lengths.min() >= tree.lengths.max() - 1


def test_balanced_keeps_the_order_of_words():
    assert sorted(codes(balanced(range(20, 0, -1)))) == codes(balanced(range(20, 0, -1)))


def test_a_tie_takes_the_inner_node_first():
    # word2vec.c: of counts 2 1 1 the two ones merge to 2; the inner node goes first and left.
    assert codes(huffman([2, 1, 1])) == ["1", "01", "00"]


@pytest.mark.parametrize("build", BUILDERS)
def test_too_few_words_or_no_counts(build):
    with pytest.raises(VocabularyError, match="need at least 2 words"):
        build([5])
    with pytest.raises(VocabularyError, match="count 0"):
        build([5, 0])


def test_a_million_words_in_seconds():
    counts = 10**9 // np.arange(1, 10**6 + 1)
    huffman(counts[:10])
    started = time.perf_counter()
    tree = huffman(counts)
    assert len(tree.lengths) == 10**6
    assert time.perf_counter() - started < 30  # takes 1 s; a quadratic one would take hours
