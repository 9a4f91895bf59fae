"""Kernels against their float64 oracles on random small problems; oracles against calculus."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_hs.kernels import cbow, skipgram, softmax
from w2v_hs.kernels.common import BATCH, Paths, Text, Window, aligned_zeros, make_scratch, padded
from w2v_hs.kernels.copies import Copies
from w2v_hs.kernels.subwords import NO_PARTS, Parts, frozen_parts, make_ring
from w2v_hs.tree.tree import balanced, huffman

SEED = 12345


class Problem:
    """A random corpus with weights that are not small."""

    def __init__(
        self, words, dim, window, seed, build=huffman, lengths=(1, 2, 9, 30), rows=None, ngrams=None
    ):
        generator = np.random.default_rng(seed)
        self.words, self.dim = words, dim
        self.window = window if isinstance(window, Window) else Window(window, window, True)
        self.counts = np.sort(generator.integers(1, 1000, words))[::-1].astype(np.int64)
        self.tree = build(self.counts)
        self.sentences = [generator.integers(0, words, n).astype(np.int32) for n in lengths]
        self.keep = generator.uniform(0.3, 1.3, words).astype(np.float32)
        self.stride = padded(dim)
        self.parts = NO_PARTS
        if ngrams is not None:  # each word has its own row and up to three of these, all up to twice
            sizes = generator.integers(1, 5, words)
            drawn = [generator.integers(words, words + ngrams, size - 1) for size in sizes]
            own = [np.append(word, some) for word, some in enumerate(drawn)]
            counts = [generator.integers(1, 3, size) for size in sizes]
            shares = [generator.uniform(0, 2, size) for size in sizes]
            shares = [share / np.average(share, weights=n) for share, n in zip(shares, counts, strict=True)]
            self.parts = Parts(
                np.append(0, np.cumsum(sizes)),
                np.concatenate(own).astype(np.int32),
                np.concatenate(counts).astype(np.float32),
                np.concatenate(shares).astype(np.float32),
            )
            # The oracles see a row that counts twice as two, each with half of the share.
            self.rows_of = [np.repeat(row, n) for row, n in zip(own, counts, strict=True)]
            self.shares = [np.repeat(share / n, n) for share, n in zip(shares, counts, strict=True)]
        self.x = aligned_zeros(words + (ngrams or 0), self.stride)
        self.x[:, :dim] = generator.normal(0, 0.5, (len(self.x), dim))
        self.out = aligned_zeros((rows or words - 1), self.stride)
        used = words - 1 if rows is None else words
        self.out[:used, :dim] = generator.normal(0, 0.5, (used, dim))
        self.used = used

    def text(self):
        bounds = np.cumsum([0, *(len(s) for s in self.sentences)]).astype(np.int64)
        return Text(np.concatenate(self.sentences), bounds, self.keep)

    def exact(self):
        x, out = self.x[:, : self.dim], self.out[: self.used, : self.dim]
        return x.astype(np.float64), out.astype(np.float64)

    def run_tree(self, kernel, rate, copies=0, interval=1, share=1.0, rest=True):
        """Run a hierarchical kernel; returns its totals. Writes to x and out."""
        inner = self.words - 1
        count = min(copies, inner)
        weights = aligned_zeros(inner + count, self.stride)
        weights[:inner], weights[inner:] = self.out[:inner], self.out[:count]
        nodes = Copies(
            count=count,
            start=inner,
            turn=0.4,
            interval=interval,
            share=np.full(count, share, np.float32),
            snapshot=weights[:count].copy().ravel(),
            windows=np.zeros(1, np.int64),
        )
        scratch = make_scratch(1000, self.window, int(self.tree.lengths.max()), self.stride)
        scratch.random[0] = SEED
        paths = Paths(self.tree.offsets, self.tree.nodes, self.tree.bits)
        ring = make_ring(self.parts, self.window, self.stride)
        model = paths, self.x.ravel(), ring, weights.ravel(), self.stride
        for last in (len(self.sentences), 0)[: 1 + rest]:  # none: merge what is left
            kernel(self.text(), 0, last, self.window, *model, rate, nodes, scratch)
        if np.isfinite(self.x).all():
            assert not self.x[:, self.dim :].any() and not weights[:, self.dim :].any()
        self.out, self.private = weights[:inner], weights[inner:]
        return scratch.totals

    def run_softmax(self, cbow_, rate, moves=True):
        batch = softmax.make_batch(self.words, self.window, self.stride)
        scratch = make_scratch(1000, self.window, 0, self.stride)
        scratch.random[0] = SEED
        part = self.text(), 0, len(self.sentences)
        model = self.words, self.x, self.parts, self.out
        softmax.train(*part, self.window, cbow_, *model, rate, batch, scratch, moves)
        finite = np.isfinite(self.x).all()
        assert not finite or not self.out[self.words :].any(), "a row beyond the vocabulary was written"
        return scratch.totals


problems = st.builds(
    dict,
    words=st.integers(2, 40),
    dim=st.integers(1, 40),
    window=st.builds(Window, st.integers(0, 12), st.integers(0, 12), st.booleans()).filter(any),
    seed=st.integers(0, 2**32),
)


def check(problem, x, out, totals, loss, predictions):
    np.testing.assert_allclose(problem.x[:, : problem.dim], x, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(problem.out[: problem.used, : problem.dim], out, rtol=2e-4, atol=2e-5)
    assert totals[1] == predictions
    assert totals[0] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("build", [huffman, balanced])
@given(problem=problems)
def test_skipgram_tree(build, problem):
    p = Problem(**problem, build=build)
    x, nodes = p.exact()
    loss, predictions = naive.train_skipgram_tree(
        p.sentences, p.keep, p.window, p.tree, x, nodes, 0.05, naive.Random(SEED), BATCH
    )
    check(p, x, nodes, p.run_tree(skipgram.train, 0.05), loss, predictions)


@pytest.mark.parametrize("build", [huffman, balanced])
@given(problem=problems)
def test_cbow_tree(build, problem):
    p = Problem(**problem, build=build)
    x, nodes = p.exact()
    loss, predictions = naive.train_cbow_tree(
        p.sentences, p.keep, p.window, p.tree, x, nodes, 0.05, naive.Random(SEED)
    )
    check(p, x, nodes, p.run_tree(cbow.train, 0.05), loss, predictions)


class Still(np.ndarray):
    """Weights from which nothing is subtracted."""

    def __isub__(self, change):
        return self


@pytest.mark.parametrize(
    ("kernel", "oracle"),
    [(skipgram.train_inputs, naive.train_skipgram_tree), (cbow.train_inputs, naive.train_cbow_tree)],
)
@given(problem=problems)
def test_inputs_learn_from_nodes_that_stay(kernel, oracle, problem):
    p = Problem(**problem)
    before, (x, nodes) = p.out.copy(), p.exact()
    text, random = (p.sentences, p.keep, p.window), naive.Random(SEED)
    loss, predictions = oracle(*text, p.tree, x, nodes.view(Still), 0.05, random)
    check(p, x, nodes, p.run_tree(kernel, 0.05), loss, predictions)
    assert p.out.tobytes() == before.tobytes()


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
@given(problem=problems)
def test_inputs_learn_from_a_softmax_that_stays(architecture, problem):
    p = Problem(**problem, rows=padded(problem["words"]))
    before, (x, outputs) = p.out.copy(), p.exact()
    text, is_cbow = (p.sentences, p.keep, p.window), architecture == "cbow"
    random, still = naive.Random(SEED), outputs.view(Still)
    loss, predictions = naive.train_softmax(*text, is_cbow, x, still, 0.02, random, softmax.ROWS)
    check(p, x, outputs, p.run_softmax(is_cbow, 0.02, moves=False), loss, predictions)
    assert p.out.tobytes() == before.tobytes()


@pytest.mark.parametrize("kernel", [skipgram.train, cbow.train])
@given(problem=problems, every=st.integers(1, 5))
def test_frozen_words_keep_their_vectors(kernel, problem, every):
    p = Problem(**problem)
    before, (x, nodes) = p.x.copy(), p.exact()
    frozen = np.arange(p.words) % every == 0
    p.parts = frozen_parts(NO_PARTS, frozen)
    rows, shares = [[w] for w in range(p.words)], [[float(not stays)] for stays in frozen]
    text, random = (p.sentences, p.keep, p.window), naive.Random(SEED)
    loss, predictions = naive.train_tree_with_parts(
        *text, p.tree, rows, shares, x, nodes, 0.02, random, kernel is cbow.train
    )
    check(p, x, nodes, p.run_tree(kernel, 0.02), loss, predictions)
    assert p.x[frozen].tobytes() == before[frozen].tobytes()


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
@given(problem=problems)
def test_softmax(architecture, problem):
    p = Problem(**problem, rows=padded(problem["words"]))
    x, outputs = p.exact()
    text, random = (p.sentences, p.keep, p.window), naive.Random(SEED)
    loss, predictions = naive.train_softmax(
        *text, architecture == "cbow", x, outputs, 0.02, random, softmax.ROWS
    )
    totals = p.run_softmax(architecture == "cbow", 0.02)
    check(p, x, outputs, totals, loss, predictions)


@pytest.mark.parametrize("kernel", [skipgram.train, cbow.train])
@given(problem=problems, ngrams=st.integers(1, 60))
def test_a_tree_with_ngrams(kernel, problem, ngrams):
    p = Problem(**problem, ngrams=ngrams)
    x, nodes = p.exact()
    text, random = (p.sentences, p.keep, p.window), naive.Random(SEED)
    loss, predictions = naive.train_tree_with_parts(
        *text, p.tree, p.rows_of, p.shares, x, nodes, 0.02, random, kernel is cbow.train
    )
    check(p, x, nodes, p.run_tree(kernel, 0.02), loss, predictions)


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
@given(problem=problems, ngrams=st.integers(1, 60))
def test_softmax_with_ngrams(architecture, problem, ngrams):
    p = Problem(**problem, rows=padded(problem["words"]), ngrams=ngrams)
    x, outputs = p.exact()
    text, random = (p.sentences, p.keep, p.window), naive.Random(SEED)
    loss, predictions = naive.train_softmax(
        *text, architecture == "cbow", x, outputs, 0.005, random, softmax.ROWS, p.rows_of, p.shares
    )
    totals = p.run_softmax(architecture == "cbow", 0.005)
    check(p, x, outputs, totals, loss, predictions)


@pytest.mark.parametrize("kernel", [skipgram.train, cbow.train])
@given(problem=problems, copies=st.integers(1, 39), interval=st.integers(1, 9))
def test_private_copies_change_nothing_for_one_thread(kernel, problem, copies, interval):
    plain, copied = Problem(**problem), Problem(**problem)
    plain.run_tree(kernel, 0.05)
    copied.run_tree(kernel, 0.05, copies=copies, interval=interval)
    np.testing.assert_allclose(copied.x, plain.x, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(copied.out, plain.out, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [skipgram.train, cbow.train])
@given(problem=problems, copies=st.integers(1, 39), share=st.floats(0.05, 1))
def test_a_share_of_what_a_copy_has_changed_is_added(kernel, problem, copies, share):
    plain, copied = Problem(**problem), Problem(**problem)
    before = plain.out.copy()
    plain.run_tree(kernel, 0.05)
    copied.run_tree(kernel, 0.05, copies=copies, interval=10**6, share=share)
    expected = plain.out.copy()
    expected[:copies] = before[:copies] + share * (plain.out[:copies] - before[:copies])
    np.testing.assert_allclose(copied.out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [skipgram.train, cbow.train])
def test_copies_are_merged_after_every_interval(kernel):
    every, once = Problem(20, 5, 3, seed=1), Problem(20, 5, 3, seed=1)
    every.run_tree(kernel, 0.05, copies=9, interval=1, rest=False)
    np.testing.assert_array_equal(every.out[:9], every.private)
    once.run_tree(kernel, 0.05, copies=9, interval=10**6, rest=False)
    assert (once.out[:9] != once.private).any()


@pytest.mark.parametrize("kernel", [skipgram.train, cbow.train])
def test_a_path_of_300_nodes(kernel):
    """Deep paths: the partial products of the loss must not overflow."""
    words = 301
    p = Problem(words, 5, 3, seed=1, lengths=(40,))
    # A comb: word w turns off the spine at depth w.
    lengths = [*range(1, words), words - 1]
    p.tree = type(p.tree)(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([np.arange(n) for n in lengths]).astype(np.int32),
        np.concatenate(
            [np.array([1] * (n - 1) + [int(i == words - 1)]) for i, n in enumerate(lengths)]
        ).astype(np.uint8),
    )
    p.sentences = [np.full(40, words - 1, np.int32)]
    p.keep[:] = 1
    x, nodes = p.exact()
    oracle = naive.train_skipgram_tree if kernel is skipgram.train else naive.train_cbow_tree
    loss, _ = oracle(p.sentences, p.keep, p.window, p.tree, x, nodes, 0.001, naive.Random(SEED))
    assert p.run_tree(kernel, 0.001)[0] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("scale", [1.0, 30.0, 3000.0])
def test_scores_of_any_size_count_in_full(scale):
    """No table of sigmoids and no clipping: a confident mistake has its full loss and gradient."""
    p = Problem(10, 8, 2, seed=3)
    p.x *= scale
    x, nodes = p.exact()
    loss, n = naive_loss_without_overflow(p, x, nodes)
    totals = p.run_tree(skipgram.train, 1e-9)
    assert totals[0] / n == pytest.approx(loss / n, rel=1e-4)


def naive_loss_without_overflow(p, x, nodes):
    loss = count = 0
    for centre, contexts in naive.windows(p.sentences, p.keep, p.window, naive.Random(SEED)):
        for c in contexts:
            for node, s in naive.path(p.tree, centre):
                loss += float(np.logaddexp(0, -s * float(x[c] @ nodes[node])))
            count += 1
    return loss, count


@pytest.mark.parametrize("kernel", [skipgram.train, cbow.train])
@pytest.mark.parametrize("build", [huffman, balanced])
def test_loss_at_zero_weights_is_ln2_times_code_length(kernel, build):
    p = Problem(30, 10, 5, seed=4, build=build, lengths=(200,))
    p.out[:] = 0
    expected = predictions = 0
    for centre, contexts in naive.windows(p.sentences, p.keep, p.window, naive.Random(SEED)):
        n = len(contexts) if kernel is skipgram.train else 1
        expected += n * math.log(2) * int(p.tree.lengths[centre])
        predictions += n
    totals = p.run_tree(kernel, 1e-12)
    assert totals[1] == predictions
    assert totals[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kernel", [skipgram.train, cbow.train])
def test_a_planted_nan_is_seen(kernel):
    p = Problem(10, 8, 2, seed=3)
    p.x[3, 2] = np.nan
    assert math.isnan(p.run_tree(kernel, 0.05)[0])


def test_a_planted_nan_is_seen_by_the_softmax():
    p = Problem(10, 8, 2, seed=3, rows=16)
    p.x[3, 2] = np.nan
    assert math.isnan(p.run_softmax(False, 0.05)[0])


# ---- the oracles themselves ---------------------------------------------------------------------


def central_differences(function, at, step=1e-6):
    gradient = np.zeros_like(at)
    for i in np.ndindex(at.shape):
        kept = at[i]
        at[i] = kept + step
        above = function()
        at[i] = kept - step
        gradient[i] = (above - function()) / (2 * step)
        at[i] = kept
    return gradient


@pytest.mark.parametrize("build", [huffman, balanced])
@given(words=st.integers(2, 12), dim=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_tree_gradient_is_the_derivative_of_the_loss(build, words, dim, seed):
    generator = np.random.default_rng(seed)
    tree = build(generator.integers(1, 100, words))
    h, nodes = generator.normal(size=dim), generator.normal(size=(words - 1, dim))
    steps = naive.path(tree, int(generator.integers(words)))
    dh, dnodes = naive.tree_gradient(h, nodes, steps)
    loss = lambda: naive.tree_loss(h, nodes, steps)  # noqa: E731
    np.testing.assert_allclose(dh, central_differences(loss, h), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(dnodes, central_differences(loss, nodes), rtol=1e-6, atol=1e-8)


@given(words=st.integers(2, 12), dim=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_softmax_gradient_is_the_derivative_of_the_loss(words, dim, seed):
    generator = np.random.default_rng(seed)
    h, outputs = generator.normal(size=dim), generator.normal(size=(words, dim))
    word = int(generator.integers(words))
    dh, doutputs = naive.softmax_gradient(h, outputs, word)
    loss = lambda: naive.softmax_loss(h, outputs, word)  # noqa: E731
    np.testing.assert_allclose(dh, central_differences(loss, h), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(doutputs, central_differences(loss, outputs), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("build", [huffman, balanced])
@given(words=st.integers(2, 60), seed=st.integers(0, 2**32))
def test_probabilities_of_all_words_sum_to_one(build, words, seed):
    generator = np.random.default_rng(seed)
    tree = build(generator.integers(1, 1000, words))
    h, nodes = generator.normal(size=8), generator.normal(size=(words - 1, 8))
    total = sum(math.exp(-naive.tree_loss(h, nodes, naive.path(tree, w))) for w in range(words))
    assert total == pytest.approx(1, abs=1e-9)
