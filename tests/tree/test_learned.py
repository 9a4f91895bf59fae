"""Learned trees: halved by meaning, weights carried over, the same for any number of threads."""

import itertools
import math
import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import naive
import numpy as np
import pytest
from conftest import TEXT
from hypothesis import given
from hypothesis import strategies as st

import w2v_hs
import w2v_hs.training.observers.holdout
from w2v_hs.kernels.common import Text, Window, aligned_zeros, padded
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.training.loop import rebuild_steps
from w2v_hs.tree.learned import (
    RIDGE,
    SHRINK,
    context_keep,
    learn_tree,
    mean_contexts,
    normalize_in_place,
    transfer_weights_in_place,
)
from w2v_hs.tree.tree import balanced, huffman


def rows(matrix):
    """A matrix as kernels take it."""
    out = aligned_zeros(len(matrix), padded(matrix.shape[1]))
    out[:, : matrix.shape[1]] = matrix
    return out


def directions(matrix):
    """Rows of unit length."""
    unit = rows(matrix)
    normalize_in_place(unit)
    return unit


problems = st.builds(dict, words=st.integers(2, 60), dim=st.integers(1, 20), seed=st.integers(0, 2**32))


def problem(words, dim, seed):
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(words, dim))
    vectors[generator.random(words) < 0.1] = 0  # words that were never trained
    vectors[generator.random(words) < 0.1] = vectors[0]
    return vectors, np.sort(generator.integers(1, 1000, words))[::-1].astype(np.int64)


def parts(tree, words):
    """For each inner node the words on its left and on its right."""
    sides = {}
    for word in range(words):
        for node, sign in naive.path(tree, word):
            sides.setdefault(node, ([], []))[sign < 0].append(word)
    return sides


@given(case=problems)
def test_every_part_is_cut_as_evenly_as_its_words_allow(case):
    vectors, counts = problem(**case)
    tree = learn_tree(directions(vectors), counts)
    tree.children()  # one tree
    codes = [tree.code(word) for word in range(len(counts))]
    assert sum(Fraction(1, 2 ** len(code)) for code in codes) == 1
    for left, right in parts(tree, len(counts)).values():
        difference = abs(counts[left].sum() - counts[right].sum())
        assert difference <= max(counts[left + right])


@given(case=problems, threads=st.integers(2, 5))
def test_the_tree_does_not_depend_on_threads(case, threads):
    vectors, counts = problem(**case)
    one = learn_tree(directions(vectors), counts)
    many = learn_tree(directions(vectors), counts, threads=threads)
    np.testing.assert_array_equal(one.offsets, many.offsets)
    np.testing.assert_array_equal(one.nodes, many.nodes)
    np.testing.assert_array_equal(one.bits, many.bits)


@given(case=problems)
def test_equal_depths(case):
    vectors, counts = problem(**case)
    lengths = learn_tree(directions(vectors), counts, equal_depths=True).lengths
    assert lengths.max() - lengths.min() <= 1
    assert lengths.max() == math.ceil(math.log2(len(counts)))


@pytest.mark.parametrize("seed", range(5))
def test_the_first_split_is_along_the_principal_direction(seed):
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(200, 12)) * np.array([6.0] + [1.0] * 11) + 1
    counts = generator.integers(1, 100, 200)
    tree = learn_tree(directions(vectors), counts)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = unit - np.average(unit, axis=0, weights=np.sqrt(counts))
    _, _, components = np.linalg.svd(np.sqrt(np.sqrt(counts))[:, None] * centred)
    along = centred @ components[0]
    left, right = parts(tree, 200)[0]
    assert max(along[left]) <= min(along[right]) + 0.01 or max(along[right]) <= min(along[left]) + 0.01


def test_two_topics_are_parted_at_the_root_and_below():
    generator = np.random.default_rng(1)
    centres = np.repeat(np.eye(4), 16, axis=0) @ generator.normal(size=(4, 10)) * 3
    vectors = centres + 0.1 * generator.normal(size=(64, 10))
    shuffled = generator.permutation(64)
    tree = learn_tree(directions(vectors[shuffled]), np.full(64, 10))
    topics = shuffled // 16
    by_code = {}
    for word in range(64):
        by_code.setdefault(tree.code(word)[:2], set()).add(int(topics[word]))
    assert sorted(map(sorted, by_code.values())) == [[0], [1], [2], [3]]


# ---- what words occur with ----------------------------------------------------------------------


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    dim=st.integers(1, 40),
    left=st.integers(0, 12),
    right=st.integers(0, 12),
    threads=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_mean_contexts(lengths, dim, left, right, threads, seed):
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, 12, sum(lengths)).astype(np.int32)
    sentences = np.concatenate([[0], np.cumsum(lengths)])
    keep = (generator.random(12) < 0.8).astype(np.float32)
    vectors = generator.normal(size=(12, dim))
    window = Window(left, right, True)  # mean contexts never shrink it
    found = mean_contexts(Text(ids, sentences, keep), rows(vectors), window, threads)
    text = [ids[a:b].tolist() for a, b in itertools.pairwise(sentences.tolist())]
    expected = naive.mean_contexts(text, keep, vectors, left, right)
    np.testing.assert_allclose(found[:, :dim], expected, rtol=1e-3, atol=1e-4)
    assert not found[:, dim:].any()


def test_subsampling_leaves_what_it_leaves_in_training():
    """Of a word that is kept half of the time about half of the contexts are left."""
    ids = np.array([0, 1] * 5000, np.int32)
    sentences = np.arange(0, 10_001, 10)
    vectors = rows(np.eye(2))
    text, window = Text(ids, sentences, np.array([1, 0.5], np.float32)), Window(1, 1, True)
    middle = mean_contexts(text, vectors, window)
    # Around a kept 0 are its neighbours, 1 where that was kept and else the next 0.
    assert middle[0] @ vectors[1] - middle[1] @ vectors[1] > 0.1
    np.testing.assert_array_equal(middle, mean_contexts(text, vectors, window))


# ---- weights that are carried over --------------------------------------------------------------


@pytest.mark.parametrize("build", [huffman, balanced])
def test_a_tree_that_stays_keeps_its_weights(build):
    generator = np.random.default_rng(3)
    counts = np.sort(generator.integers(1, 100, 30))[::-1].astype(np.int64)
    tree = build(counts)
    vectors = rows(generator.normal(size=(30, 8)))
    weights = rows(generator.normal(size=(29, 8)))
    carried = weights.copy()
    transfer_weights_in_place(vectors, counts, carried, tree, tree, np.empty_like(vectors), shrink=1.0)
    np.testing.assert_allclose(carried, weights, rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 2**32), words=st.integers(2, 20))
def test_carried_weights_predict_as_before_to_first_order(seed, words):
    """Around the mean input every branch has the old slope of its odds, except along the mean,
    which also stands in for a bias, as well as a multiple of it can."""
    generator = np.random.default_rng(seed)
    counts = np.sort(generator.integers(1, 100, words))[::-1].astype(np.int64)
    old, new = huffman(counts), balanced(counts, generator.permutation(words))
    vectors = generator.normal(size=(words, 6)) + 0.5
    nodes = 0.7 * generator.normal(size=(words - 1, 6))
    carried = rows(nodes)
    inputs = rows(vectors)
    transfer_weights_in_place(inputs, counts, carried, old, new, np.empty_like(inputs))
    carried = carried[:, :6].astype(np.float64) / SHRINK
    mean = counts @ vectors / counts.sum()

    def odds(x, left, right):
        p = naive.tree_probabilities(x, nodes, old)
        return math.log(p[left].sum() / p[right].sum())

    along = vectors @ mean
    share, square = counts / counts.sum(), mean @ mean
    # What stands for 1.
    constant = (share @ along) * square / (share @ along**2 + RIDGE * square)
    assert constant <= 1 + 1e-9
    for node, (left, right) in parts(new, words).items():
        slope = (odds(mean * 1.0001, left, right) - odds(mean * 0.9999, left, right)) / 2e-4
        expected = slope + constant * (odds(mean, left, right) - slope)
        assert carried[node] @ mean == pytest.approx(expected, rel=1e-3, abs=1e-3)
        for _ in range(3):
            step = generator.normal(size=6)
            step -= mean * (step @ mean) / (mean @ mean)
            step *= 1e-4 / np.linalg.norm(step)
            slope = odds(mean + step, left, right) - odds(mean - step, left, right)
            assert carried[node] @ step == pytest.approx(slope / 2, rel=1e-2, abs=1e-6)


def test_a_new_tree_does_no_harm_to_words_that_are_alike():
    """Noise, from which nothing can be learned: never far above the entropy, 3.689 nats."""
    generator = np.random.default_rng(1)
    text = [[f"w{i}" for i in generator.integers(0, 40, 6)] for _ in range(300)]
    for arch in ("skipgram", "cbow"):
        losses = w2v_hs.train(text, arch=arch, threads=1, sample=0, epochs=3).losses
        assert max(losses) < 4.5


# ---- training -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def text():
    return [line.split() for line in TEXT.splitlines() * 100]


@pytest.mark.parametrize("arch", ["skipgram", "cbow"])
@pytest.mark.parametrize("options", [{"tree": "learned"}, {"tree": "balanced", "tree_order": "learned"}])
def test_training_replaces_the_tree(text, arch, options, tmp_path):
    train = lambda: w2v_hs.train(  # noqa: E731
        text, arch=arch, dim=16, epochs=10, sample=0, threads=1, **options
    )
    model = train()
    first = w2v_hs.train(text, dim=16, epochs=1, sample=0, tree=options["tree"])
    assert [model.tree.code(w) for w in range(18)] != [first.tree.code(w) for w in range(18)]
    assert model.distribution(["the"]).sum() == pytest.approx(1, abs=1e-9)
    assert model.losses[-1] < model.losses[0]
    model.save(tmp_path / "a.safetensors")
    train().save(tmp_path / "b.safetensors")
    a, b = w2v_hs.load(tmp_path / "a.safetensors"), w2v_hs.load(tmp_path / "b.safetensors")
    np.testing.assert_array_equal(a.vectors.matrix, b.vectors.matrix)  # the same to the bit
    np.testing.assert_array_equal(a.outputs, b.outputs)
    np.testing.assert_array_equal(a.tree.nodes, b.tree.nodes)


def test_patience_goes_back_to_the_tree_of_the_best_epoch(text, monkeypatch):
    """The losses of the holdout are made to rise after the first epoch of three; the tree is
    learned anew after it."""
    seen = []
    measure = w2v_hs.training.observers.holdout.Scorer.perplexity

    def rising(scorer, corpus, threads):
        seen.append([scorer.tree.code(word) for word in range(18)])
        return replace(measure(scorer, corpus, threads), nats=float(len(seen)))

    monkeypatch.setattr("w2v_hs.training.observers.holdout.Scorer.perplexity", rising)
    model = w2v_hs.train(
        text, dim=16, epochs=20, sample=0, threads=1, tree="learned", holdout=0.1, patience=2
    )
    assert len(seen) == 3 and seen[0] != seen[2]
    assert [model.tree.code(word) for word in range(18)] == seen[0]
    assert model.distribution(["the"]).sum() == pytest.approx(1, abs=1e-9)


def test_words_that_share_contexts_share_branches():
    """Animals eat, cities lie: words of one kind end up nearer in a learned tree than in a Huffman
    tree, where only the frequency counts."""
    generator = np.random.default_rng(0)
    kinds = [[f"animal{i}" for i in range(8)], [f"city{i}" for i in range(8)]]
    company = [["eats", "runs", "sleeps"], ["lies", "river", "mayor"]]
    text = [
        [str(generator.choice(words)) for words in (company[k], kinds[k], company[k])]
        for k in generator.integers(0, 2, 6000)
    ]

    def affinity(tree):
        """Branches that two words of one kind share, less those of two words of both kinds."""
        model = w2v_hs.train(text, tree=tree, dim=16, epochs=5, sample=0, threads=1, window=2)
        codes = [[model.tree.code(model.vectors.row(word)) for word in kind] for kind in kinds]
        shared = lambda a, b: len(os.path.commonprefix([a, b]))  # noqa: E731, RUF071
        within = [shared(a, b) for kind in codes for a, b in itertools.combinations(kind, 2)]
        return np.mean(within) - np.mean([shared(a, b) for a in codes[0] for b in codes[1]])

    assert affinity("huffman") < 0.5
    assert affinity("learned") > 1


COMPILED = """
import sys
import w2v_hs
from w2v_hs.tree import learned
from w2v_hs.kernels import bisect, contexts, transfer
from w2v_hs.kernels.common import Window

kernels = contexts.add_contexts, bisect.halve, transfer.word_outputs, transfer.node_weights
learned.compile_kernels(16, Window(5, 5, True))
before = [len(kernel.signatures) for kernel in kernels]
w2v_hs.train(sys.argv[1], dim=10, epochs=1, sample=0, threads=2, tree="learned")
print(before, [len(kernel.signatures) for kernel in kernels])
"""


def test_warming_up_compiles_all_that_a_run_needs(text_file):
    child = subprocess.run([sys.executable, "-c", COMPILED, text_file], capture_output=True, check=True)
    assert child.stdout.decode().strip() == "[1, 1, 1, 1] [1, 1, 1, 1]"


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=50), st.sampled_from([0, 1e-5, 1e-4, 1e-3, 1e-2]))
def test_contexts_are_thinned_no_more_than_training_but_for_frequent_words(counts, sample):
    counts = sorted(counts, reverse=True)
    vocabulary = Vocabulary([f"w{i}" for i in range(len(counts))], np.array(counts))
    trained, keep = vocabulary.keep_probabilities(sample), context_keep(vocabulary, sample)
    assert np.all(keep <= trained)
    rare = trained * np.array(counts) <= 1000
    assert np.allclose(keep[rare], trained[rare])
    frequent = keep * np.array(counts)
    assert np.all(frequent[~rare] >= 999)


def test_a_short_run_learns_fewer_trees():
    assert [sorted(rebuild_steps(100, epochs)) for epochs in (1, 2, 3, 20)] == [
        [10],
        [10, 30],
        [10, 30, 60],
        [10, 30, 60],
    ]
