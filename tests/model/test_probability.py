"""What a model says of words: against the definition in float64, in every mode."""

import dataclasses
import math

import naive
import numpy as np
import pytest
from conftest import TEXT
from hypothesis import given
from hypothesis import strategies as st

import w2v_hs
from w2v_hs.errors import (
    CorpusError,
    DivergedError,
    FormatError,
    OptionError,
    UnknownWordError,
    WordTypeError,
)
from w2v_hs.model.model import Model
from w2v_hs.model.scoring import Scorer, text_perplexity
from w2v_hs.options import LEARNING_RATES, Preprocessing
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.tree.tree import Tree, balanced, huffman, tree_from_children

MODES = [
    dict(arch=arch, **layer)
    for arch in ("skipgram", "cbow")
    for layer in ({"tree": "huffman"}, {"tree": "balanced"}, {"loss": "softmax"})
]
SENTENCES = [line.split() for line in TEXT.splitlines()] * 60


@pytest.fixture(scope="module", params=MODES, ids=lambda mode: "-".join(mode.values()))
def trained(request):
    lr = LEARNING_RATES[request.param["arch"]]  # those of the full softmax leave one word nearly certain
    return w2v_hs.train(SENTENCES, **request.param, dim=18, epochs=4, sample=0, threads=1, window=3, lr=lr)


def made(counts, tree="huffman", scale=1.0, dim=5, arch="skipgram", seed=0):
    """A model over `counts` with random weights of a given size."""
    generator = np.random.default_rng(seed)
    words = Vocabulary([f"w{i}" for i in range(len(counts))], np.array(counts, np.int64))
    loss = "softmax" if tree is None else "hs"
    built = None if tree is None else {"huffman": huffman, "balanced": balanced}[tree](words.counts)
    rows = len(counts) - (built is not None)
    x, outputs = (generator.normal(0, scale, (n, dim)).astype(np.float32) for n in (len(counts), rows))
    options = w2v_hs.Options(arch=arch, loss=loss, dim=dim, window=2)
    return Model(w2v_hs.Vectors(words.words, x), outputs, built, words, options)


def naive_log_prob(model, context, word):
    index = model.vocabulary.index
    h = model.vectors.matrix.astype(np.float64)[[index[c] for c in context]].mean(axis=0)
    return naive.log_prob(h, model.outputs.astype(np.float64), model.tree, index[word])


# ---- one distribution, however it is asked for --------------------------------------------------


@pytest.mark.parametrize("context", ["king", ["king"], ["the", "cat", "the"]], ids=str)
def test_distribution_and_log_prob_are_the_definition(trained, context):
    words = trained.vectors.words
    p = trained.distribution(context)
    assert p.dtype == np.float64 and p.shape == (len(words),)
    assert abs(p.sum() - 1) < 1e-9
    singly = [trained.log_prob(context, word) for word in words]
    np.testing.assert_allclose(p, np.exp(singly), rtol=0, atol=1e-6)
    contexts = [context] if isinstance(context, str) else context
    expected = [naive_log_prob(trained, contexts, word) for word in words]
    np.testing.assert_allclose(singly, expected, rtol=1e-9)
    np.testing.assert_allclose(np.log(p), expected, rtol=1e-9)


def test_a_batch_is_what_its_members_are(trained):
    words = trained.vectors.words
    contexts = [words[i] if i % 3 else [words[i], words[0], words[-1]] for i in range(len(words))]
    found = trained.log_probs(contexts, words[::-1])
    expected = [trained.log_prob(c, w) for c, w in zip(contexts, words[::-1], strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert trained.log_probs([], []).shape == (0,)


@pytest.mark.parametrize("tree", ["huffman", "balanced", None])
def test_nothing_is_clipped(tree):
    """Scores of hundreds: saturated branches cost what they cost."""
    model = made([9, 8, 5, 3, 2, 1, 1], tree, scale=30.0)
    words = model.vectors.words
    expected = [[naive_log_prob(model, [c], w) for w in words] for c in words]
    assert np.min(expected) < -500
    found = [[model.log_prob(c, w) for w in words] for c in words]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-300)
    assert all(abs(model.distribution(c).sum() - 1) < 1e-9 for c in words)
    least = min(model.score([[c, w] for c in words for w in words if c != w]))
    assert least == pytest.approx(
        min((expected[i][j] + expected[j][i]) / 2 for i in range(7) for j in range(i)), rel=1e-6
    )


# ---- several words as context -------------------------------------------------------------------


def test_mean_of_log_probs_is_the_normalised_geometric_mean(trained):
    context = ["king", "queen", "king"]
    if trained.options.arch == "cbow":
        with pytest.raises(OptionError, match="CBOW model predicts from the mean of its inputs"):
            trained.distribution(context, combine="log_probs")
        return
    geometric = np.exp(np.mean([np.log(trained.distribution(c)) for c in context], axis=0))
    expected = geometric / geometric.sum()
    assert geometric.sum() < 1
    np.testing.assert_allclose(trained.distribution(context, combine="log_probs"), expected)
    top = trained.top_k(context, 4, combine="log_probs")
    order = np.argsort(-expected, kind="stable")[:4]
    assert top.words == [trained.vectors.words[i] for i in order]
    np.testing.assert_allclose(top.probabilities, expected[order])
    word = top.words[2]
    assert trained.log_prob(context, word, combine="log_probs") == pytest.approx(
        math.log(top.probabilities[2])
    )
    for combine in ("inputs", "log_probs"):  # one word: nothing to combine
        np.testing.assert_allclose(trained.distribution("sea", combine=combine), trained.distribution("sea"))


# ---- the most probable words --------------------------------------------------------------------


@given(
    counts=st.lists(st.integers(1, 1000), min_size=2, max_size=60),
    tree=st.sampled_from(["huffman", "balanced", None]),
    scale=st.sampled_from([0.0, 0.3, 2.0, 40.0]),
    k=st.integers(1, 70),
    seed=st.integers(0, 1000),
)
def test_top_k_is_the_head_of_the_sorted_distribution(counts, tree, scale, k, seed):
    """Ties too: weights of 0 make whole levels equal, huge ones give many words 0."""
    model = made(sorted(counts, reverse=True), tree, scale, seed=seed)
    logs = model.log_probs(["w0"] * len(counts), model.vectors.words)
    order = np.lexsort((np.arange(len(logs)), -logs))[:k]
    found = model.top_k("w0", k)
    p = model.distribution("w0")
    np.testing.assert_allclose(found.probabilities, np.sort(p)[::-1][:k], rtol=1e-12)
    rows = [model.vocabulary.index[word] for word in found.words]
    assert len(set(rows)) == len(rows) == min(k, len(counts))
    np.testing.assert_allclose(p[rows], found.probabilities, rtol=1e-12)
    if scale in (0.0, 0.3):  # beyond, rounding decides between words of equal probability
        assert rows == order.tolist()
    assert found.visited <= len(model.outputs)


def test_of_equals_the_more_frequent_word_comes_first():
    """Two words of probability 1/2; that of the lower row is found second."""
    model = made([1, 1, 1, 1], dim=1)
    model.tree = tree_from_children(np.array([[5, 6], [2, 3], [0, 1]]), np.ones(4, np.int64))
    model.vectors.matrix[:] = 1
    model.outputs[:] = [[0], [1000], [1000]]
    assert model.top_k("w0", 2).words == ["w0", "w2"]


def test_search_visits_little_where_something_stands_out_and_all_where_nothing_does():
    flat = made([1] * 256, "balanced", scale=0.0)
    assert flat.top_k("w0", 1).visited == 255  # all prefixes of a level are equal
    steep = made([1] * 256, "balanced", scale=3.0)
    assert steep.top_k("w0", 1).visited < 60
    assert made([1] * 256, None).top_k("w0", 1).visited == 256


def test_top_k_of_the_result(trained):
    found = trained.top_k(["paris", "is"], k=3)
    pairs = list(zip(found.words, found.probabilities, strict=True))
    assert list(found) == pairs and len(found) == 3
    assert (found[0], found[-1], found[:2]) == (pairs[0], pairs[2], pairs[:2])
    assert len(trained.top_k("paris", 10**6).words) == len(trained.vectors)
    assert len(trained.top_k("paris").words) == 10


@pytest.mark.parametrize("combine", ["inputs", "log_probs"])
def test_top_k_leaves_words_out_and_takes_many_contexts(trained, combine):
    if trained.options.arch == "cbow" and combine == "log_probs":
        pytest.skip("not for CBOW")
    everything = trained.top_k("paris", 10**6, combine=combine)
    without = [word for word in everything.words if word not in ("the", "is")]
    found = trained.top_k("paris", 5, exclude=["is", "the", "is"], combine=combine)
    assert found.words == without[:5]
    p = dict(everything)
    assert list(found.probabilities) == pytest.approx([p[word] for word in found.words], rel=1e-12)
    assert trained.top_k("paris", 10**6, exclude=["is", "the"], combine=combine).words == without
    assert trained.top_k("paris", 3, exclude=everything.words, combine=combine).words == []
    last = everything.words[-3:]
    assert trained.top_k("paris", 2, exclude=last, combine=combine).words == everything.words[:2]
    contexts = ["paris", ["the", "king"]]
    one, other = trained.top_ks(contexts, 4, exclude=[["is"], contexts[1]], combine=combine)
    assert one.words == trained.top_k("paris", 4, exclude="is", combine=combine).words
    assert other.words == trained.top_k(contexts[1], 4, exclude=contexts[1], combine=combine).words
    assert [top.words for top in trained.top_ks(contexts, combine=combine)] == [
        trained.top_k(context, combine=combine).words for context in contexts
    ]
    with pytest.raises(UnknownWordError, match="'zebra'"):
        trained.top_k("paris", exclude=["zebra"])
    with pytest.raises(UnknownWordError, match=r"^'zebra'"):
        trained.log_prob("paris", "zebra")
    with pytest.raises(OptionError, match="2 contexts and 1 lists of words"):
        trained.top_ks(contexts, exclude=[["is"]])
    for wrong in ({"contexts": ["the", "zebra"]}, {"contexts": contexts, "exclude": [[], ["zebra"]]}):
        with pytest.raises(UnknownWordError, match="position 1 of the list: 'zebra'"):
            trained.top_ks(**wrong)
    with pytest.raises(OptionError, match=r"position 2 of the list: the context is empty"):
        trained.log_probs(["the", "king", []], ["is", "is", "is"])
    with pytest.raises(WordTypeError, match=r"position 1 of the list: 3\.0 is of type float"):
        trained.log_probs(["the", "king"], ["is", 3.0])
    with pytest.raises(OptionError, match=r"^k=0: "):
        trained.top_ks(contexts, k=0)
    with pytest.raises(TypeError, match="top_ks takes a list"):
        trained.top_ks("paris")


# ---- samples ------------------------------------------------------------------------------------


@pytest.mark.parametrize("combine", ["inputs", "log_probs"])
def test_samples_follow_the_distribution(trained, combine):
    from scipy.stats import chisquare

    if trained.options.arch == "cbow" and combine == "log_probs":
        pytest.skip("not for CBOW")
    context = ["the", "king"]
    p, n = trained.distribution(context, combine=combine), 100_000
    index = trained.vocabulary.index
    drawn = trained.sample(context, n, seed=3, combine=combine)
    seen = np.bincount([index[word] for word in drawn], minlength=len(p))
    assert p.min() * n >= 1 and np.mean(p * n >= 5) > 0.8  # what the approximation asks for
    assert chisquare(seen, p * n).pvalue > 1e-3
    assert drawn == trained.sample(context, n, seed=3, combine=combine)
    assert drawn[:20] != trained.sample(context, 20, seed=4, combine=combine)
    assert trained.sample(context, 0) == []


# ---- texts and sentences ------------------------------------------------------------------------

ODD = ["the king rules the sea", "", "cat", "zebra the yak cat zebra", "a b c", "the the the the"]


def naive_losses(model, sentence):
    index, x = model.vocabulary.index, model.vectors.matrix.astype(np.float64)
    rows = [index[token] for token in sentence if token in index]
    outputs, options = model.outputs.astype(np.float64), model.options
    return naive.sentence_losses(rows, *sides(options), options.arch == "cbow", x, outputs, model.tree)


def sides(options):
    """How far the window reaches to the left and to the right."""
    reach = options.window or 10**6
    return reach * (options.side != "right"), reach * (options.side != "left")


@pytest.mark.parametrize("threads", [1, 2])
def test_perplexity_is_the_average_of_the_definition(trained, tmp_path, threads):
    scorer = Scorer.of(trained.parameters, trained.options, chunk_words=7)
    lines = [*ODD, *TEXT.splitlines(), " ".join(trained.vectors.words * 3)]
    (tmp_path / "held-out.txt").write_text("\n".join(lines))
    text = tmp_path / "held-out.txt"
    found = text_perplexity(scorer, text, Preprocessing(), threads, show=False)
    sentences = [line.split() for line in lines]
    losses = [loss for sentence in sentences for loss in naive_losses(trained, sentence)]
    assert found.pairs == len(losses)
    assert found.nats == pytest.approx(np.mean(losses), rel=1e-6)
    assert found.perplexity == pytest.approx(math.exp(np.mean(losses)), rel=1e-5)
    assert found.tokens == sum(map(len, sentences))
    known = trained.vocabulary.index
    assert found.oov == sum(token not in known for sentence in sentences for token in sentence)

    centres = [
        centre
        for sentence in sentences
        for _, centre in naive.predictions(
            [known[token] for token in sentence if token in known],
            *sides(trained.options),
            trained.options.arch == "cbow",
        )
    ]
    counts = trained.vocabulary.counts
    assert found.unigram == pytest.approx(np.mean(-np.log(counts / counts.sum())[centres]))
    assert found.sampled == pytest.approx(found.unigram)  # sample=0
    untrained = (
        math.log(len(counts))
        if trained.tree is None
        else math.log(2) * np.mean(trained.tree.lengths[centres])
    )
    assert found.untrained == pytest.approx(untrained)
    again = text_perplexity(scorer, sentences, Preprocessing(), 1, show=False)
    assert again == found  # threads change no bit
    whole = trained.perplexity(str(text))
    assert dataclasses.astuple(whole) == pytest.approx(dataclasses.astuple(found))


def test_losses_out_of_range_are_told():
    confident = made([3, 2, 1], scale=300.0)
    found = confident.perplexity([["w0", "w1", "w2"] * 5])
    assert found.nats > 1000 and found.perplexity == math.inf
    assert found.as_dict()["perplexity"] is None
    with pytest.raises(DivergedError, match="too large for float32"):
        made([3, 2, 1], scale=1e25).perplexity([["w0", "w1", "w2"]])


def test_a_model_without_training_costs_its_code_lengths():
    model = made([5, 4, 2, 1, 1], scale=0.0)
    found = model.perplexity([["w0", "w1", "w4"], ["w3", "w2"]])
    assert found.nats == pytest.approx(found.untrained, rel=1e-6)


def test_subsampled_frequencies_are_those_that_training_saw():
    model = made([500, 40, 2, 1, 1])
    counts = model.vocabulary.counts
    kept = counts * model.vocabulary.keep_probabilities(model.options.sample).astype(float)
    found = model.perplexity([["w0", "w1"]])
    assert found.sampled == pytest.approx(np.mean(-np.log(kept / kept.sum())[:2]))
    assert found.unigram == pytest.approx(np.mean(-np.log(counts / counts.sum())[:2]))


def test_wide_windows_and_long_paths():
    """More contexts than a batch of the kernel holds, more branches than a vector has lanes."""
    counts = [2**i for i in range(40, -1, -1)]  # a Huffman tree of depth 40
    for arch in ("skipgram", "cbow"):
        model = made(counts, arch=arch, dim=33, scale=0.4)
        model.options = w2v_hs.Options(arch=arch, dim=33, window=30).resolved()
        sentence = list(np.random.default_rng(0).permutation(model.vectors.words * 2))
        expected = np.mean(naive_losses(model, sentence))
        assert model.perplexity([sentence]).nats == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("arch", ["skipgram", "cbow"])
@pytest.mark.parametrize("tree", ["huffman", None])
@pytest.mark.parametrize("options", [{"side": "left"}, {"window": None}, {"window": None, "side": "right"}])
def test_what_is_scored_has_the_windows_of_training(arch, tree, options):
    model = made([9, 8, 5, 4, 2, 1, 1], tree=tree, arch=arch)
    model.options = dataclasses.replace(model.options, **options)
    sentences = [["w0"], list(np.random.default_rng(0).permutation(model.vectors.words * 3)), ["w1", "w6"]]
    losses = [naive_losses(model, sentence) for sentence in sentences]
    found = model.perplexity(sentences)
    assert found.pairs == sum(map(len, losses))
    assert found.nats == pytest.approx(np.mean([loss for one in losses for loss in one]), rel=1e-6)
    assert model.score(sentences)[1:] == pytest.approx([-np.mean(one) for one in losses[1:]], rel=1e-6)


def test_a_score_of_a_long_sentence_takes_all_of_it_as_window():
    """Longer than text is cut: `score` cuts nothing, and `perplexity` says that it would."""
    model = made([2, 1], arch="cbow")
    model.options = dataclasses.replace(model.options, window=None)
    sentence = ["w0"] * 1001 + ["w1"]
    assert model.score([sentence]) == pytest.approx(-np.mean(naive_losses(model, sentence)), rel=1e-5)
    with pytest.raises(CorpusError, match="a sentence of 1,000 words or more"):
        model.perplexity([sentence])


def test_scores_are_means_of_each_sentence(trained):
    sentences = [*ODD, ["the", "king", "yak"], "paris is the capital"]
    found = trained.score(sentences)
    for sentence, score in zip(sentences, found, strict=True):
        losses = naive_losses(trained, sentence.split() if isinstance(sentence, str) else sentence)
        if losses:
            assert score == pytest.approx(-np.mean(losses), rel=1e-6)
        else:
            assert math.isnan(score)
    assert trained.score([]).shape == (0,)
    assert trained.score(["zebra"] * 3).shape == (3,)


def test_a_trained_model_beats_the_frequencies_on_text_it_has_not_seen():
    """Sentences of one of two topics, made at random, so that none is met twice."""
    generator = np.random.default_rng(5)
    topics = [[f"{t}{i}" for i in range(20)] for t in "ab"]
    text = [list(generator.choice(topics[i % 2], 12)) for i in range(1200)]
    for mode in MODES:
        model = w2v_hs.train(text[:1000], **mode, dim=8, epochs=4, sample=0, threads=1, lr=0.1)
        found = model.perplexity(text[1000:])
        assert math.log(20) - 0.01 < found.nats < found.unigram - 0.5
        assert found.oov == 0


# ---- errors -------------------------------------------------------------------------------------


def test_what_cannot_be_answered_is_told(trained):
    for call in (
        lambda: trained.log_prob("zebra", "the"),
        lambda: trained.log_prob("the", "zebra"),
        lambda: trained.distribution(["the", "zebra"]),
        lambda: trained.score(["the zebra"], oov="error"),
    ):
        with pytest.raises(UnknownWordError, match="'zebra' is not among the 18 words"):
            call()
    for call, message in (
        (lambda: trained.top_k([]), "context is empty"),
        (lambda: trained.top_k("the", 0), "k=0: expected"),
        (lambda: trained.sample("the", -1), "n=-1: expected"),
        (lambda: trained.sample("the", 2**62), "expected a whole number from 0 to 100000000"),
        (lambda: trained.distribution("the", combine="sum"), "combine='sum'"),
        (lambda: trained.score(["the king"], oov="keep"), "oov='keep'"),
        (lambda: trained.log_probs(["the"], ["the", "king"]), "1 contexts and 2 words"),
        (lambda: trained.perplexity([["the"]], threads=0), "threads=0"),
    ):
        with pytest.raises(OptionError, match=message):
            call()
    for call in (
        lambda: trained.score("the king"),
        lambda: trained.score([[1.5, 2]]),
        lambda: trained.log_probs("the", ["king"]),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(CorpusError, match=r"nothing to predict .*knows 2 of 3 tokens"):
        trained.perplexity([["the", "zebra"], ["king"]])
    with pytest.raises(CorpusError, match="none of the 2 types"):
        trained.perplexity([["zebra", "yak"]])


@pytest.mark.parametrize("damage", ["two roots", "a child twice", "a node left out"])
def test_paths_that_are_no_tree_are_told(damage):
    tree = balanced(np.ones(4, np.int64))
    nodes, bits = tree.nodes.copy(), tree.bits.copy()
    if damage == "two roots":
        nodes[0], nodes[1] = nodes[1], nodes[0]
    elif damage == "a child twice":
        bits[0] = 1
    else:
        nodes[1::2] = nodes[1]
    model = made([1, 1, 1, 1], "balanced")
    model.tree = Tree(tree.offsets, nodes, bits)
    with pytest.raises(FormatError, match="not those of one binary tree"):
        model.distribution("w0")
    with pytest.raises(FormatError, match="not those of one binary tree"):
        model.score(["w0 w1"])


@given(counts=st.lists(st.integers(1, 50), min_size=2, max_size=40))
def test_children_are_the_paths_read_from_the_root(counts):
    for build in (huffman, balanced):
        tree = build(np.array(counts))
        children, order = tree.children()
        assert sorted(order.tolist()) == list(range(tree.inner))
        found = {len(counts) + int(order[0]): ""}
        for node in order.tolist():
            code = found[len(counts) + node]  # the parent came before
            for side in (0, 1):
                found[int(children[node, side])] = code + str(side)
        assert [found[word] for word in range(len(counts))] == [
            tree.code(word) for word in range(len(counts))
        ]
