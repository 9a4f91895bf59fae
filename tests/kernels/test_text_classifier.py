"""The kernels of text classification against their float64 oracles; the oracle against calculus."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_hs.kernels import text_classifier as kernel
from w2v_hs.kernels.common import Paths, aligned_zeros, padded
from w2v_hs.kernels.copies import Copies
from w2v_hs.tree.tree import balanced, huffman


class Problem:
    """Random texts of `rows` rows, some of which occur twice, with labels and weights."""

    def __init__(self, labels, dim, rows, seed, build):
        generator = np.random.default_rng(seed)
        self.dim, self.stride, self.labels = dim, padded(dim), labels
        self.texts = [generator.integers(0, rows, n).tolist() for n in (1, 2, 3, 4, 5, 9, 30, 3)]
        self.targets = generator.integers(0, labels, len(self.texts)).astype(np.int32)
        self.order = np.resize(generator.permutation(len(self.texts)), 3 * len(self.texts))
        self.tree = build and build(generator.integers(1, 99, labels))
        self.used = labels - (build is not None)
        self.x, self.out = aligned_zeros(rows, self.stride), aligned_zeros(2 * self.used, self.stride)
        self.x[:, :dim] = generator.normal(0, 0.7, (rows, dim))
        self.out[: self.used, :dim] = generator.normal(0, 0.7, (self.used, dim))
        self.exact = self.x[:, :dim].astype(float), self.out[: self.used, :dim].astype(float)

    def csr(self):
        offsets = np.cumsum([0, *map(len, self.texts)])
        return kernel.Texts(offsets, np.concatenate(self.texts).astype(np.int32))

    def train(self, copied=0, interval=1):
        """Train by the kernel, in two calls; returns the loss."""
        snapshot = self.out[:copied].copy()
        self.out[self.used : self.used + copied] = snapshot
        share, count = np.ones(copied, np.float32), np.zeros(1, np.int64)
        copies = Copies(copied, self.used, 0.5, interval, share, snapshot.ravel(), count)
        steps = kernel.Steps(self.order, self.targets, 0.3, 10, 100)
        weights = self.x.ravel(), self.out.ravel(), self.stride, copies
        loss, half, last = 0.0, len(self.order) // 2, len(self.order)
        for part in ((0, half), (half, last)):
            if self.tree is None:
                scratch = kernel.make_text_scratch(self.labels, self.stride)
                loss += kernel.train_softmax(self.csr(), steps, *part, self.labels, *weights, scratch)
            else:
                scratch = kernel.make_text_scratch(int(self.tree.lengths.max()), self.stride)
                paths = Paths(self.tree.offsets, self.tree.nodes, self.tree.bits)
                loss += kernel.train_tree(self.csr(), steps, *part, paths, *weights, scratch)
        return loss

    def steps(self):
        """The same steps for the oracle."""
        for i, text in enumerate(self.order):
            yield text, self.targets[text], 0.3 * (1 - (10 + i) / 100)


problems = {
    "labels": st.integers(2, 40),
    "dim": st.integers(1, 40),
    "rows": st.integers(1, 50),
    "seed": st.integers(0, 2**32),
}


@pytest.mark.parametrize("build", [None, huffman, balanced])
@given(**problems)
def test_training_is_that_of_the_oracle(build, labels, dim, rows, seed):
    problem = Problem(labels, dim, rows, seed, build)
    x, out = problem.exact
    expected = naive.train_texts(problem.texts, problem.steps(), x, out, problem.tree)
    assert problem.train() == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(problem.x[:, :dim], x, rtol=1e-3, atol=2e-5)
    np.testing.assert_allclose(problem.out[: problem.used, :dim], out, rtol=1e-3, atol=2e-5)
    assert not problem.x[:, dim:].any() and not problem.out[:, dim:].any()


@pytest.mark.parametrize("build", [None, huffman])
@pytest.mark.parametrize("copied", [1, 4])
def test_a_private_copy_of_one_thread_changes_nothing(build, copied):
    plain, private = (Problem(6, 20, 12, 1, build) for _ in range(2))
    assert private.train(copied, interval=3) == pytest.approx(plain.train(), rel=1e-5)
    np.testing.assert_allclose(private.x, plain.x, atol=1e-5)
    np.testing.assert_allclose(private.out[: private.used], plain.out[: plain.used], atol=1e-5)


@pytest.mark.parametrize("build", [None, huffman])
def test_the_oracle_descends_the_gradient(build):
    problem = Problem(5, 3, 6, 1, build)
    text, label = 5, 2

    def loss(x, out):
        return -naive.log_prob(x[problem.texts[text]].mean(axis=0), out, problem.tree, label)

    before = problem.exact
    after = [matrix.copy() for matrix in before]
    naive.train_texts(problem.texts, [(text, label, 1e-6)], *after, problem.tree)
    for which in (0, 1):
        slopes = (before[which] - after[which]) / 1e-6
        for place, slope in np.ndenumerate(slopes):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [matrix.copy() for matrix in before]
                moved[which][place] += step
                ends.append(loss(*moved))
            assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(slope, abs=1e-7)


@given(**problems, k=st.integers(1, 40))
def test_predictions(labels, dim, rows, seed, k):
    problem = Problem(labels, dim, rows, seed, huffman)
    x, out = problem.exact
    hidden = kernel.hidden_vectors(problem.csr(), problem.x, dim)
    np.testing.assert_allclose(hidden, [x[text].mean(axis=0) for text in problem.texts], atol=1e-12)
    children, order = problem.tree.children()
    weights = problem.out[: problem.used, :dim].copy()
    log_probs = kernel.tree_log_probs(hidden, children, order, weights)
    expected = [[naive.log_prob(h, out, problem.tree, c) for c in range(labels)] for h in hidden]
    np.testing.assert_allclose(log_probs, expected, atol=1e-9)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1)
    k = min(k, labels)
    best, found = kernel.best_labels(hidden, children, int(order[0]), weights, k)
    np.testing.assert_allclose(found, -np.sort(-log_probs, axis=1)[:, :k], atol=1e-9)
    np.testing.assert_allclose(np.take_along_axis(log_probs, best, axis=1), found, atol=1e-9)
