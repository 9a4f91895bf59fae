"""A slice set aside: what it is, what is measured on it, and when training stops."""

import itertools

import numpy as np
import pytest
from conftest import TEXT
from hypothesis import given
from hypothesis import strategies as st

import w2v_hs
from w2v_hs.errors import CorpusError, FormatError, OptionError, VocabularyError
from w2v_hs.files.container import load_arrays, save_arrays
from w2v_hs.options import Options
from w2v_hs.text.corpus import read_corpus
from w2v_hs.training import memory
from w2v_hs.training.loop import TrainingLoop
from w2v_hs.training.observers.holdout import set_aside
from w2v_hs.tree.tree import huffman

SENTENCES = [line.split() for line in TEXT.splitlines()] * 60
LAYERS = [{"tree": "huffman"}, {"loss": "softmax"}]


def noise(count=300, seed=3):
    """Sentences from which nothing can be learned but by heart."""
    generator = np.random.default_rng(seed)
    return [[f"w{i}" for i in generator.integers(0, 40, 12)] for _ in range(count)]


def sentences_of(corpus):
    bounds = corpus.sentences.tolist()
    return [corpus.ids[a:b].tolist() for a, b in itertools.pairwise(bounds)]


@given(
    lengths=st.lists(st.integers(0, 6), min_size=4, max_size=60),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 100),
)
def test_every_sentence_is_in_one_of_two_parts(lengths, share, seed):
    numbers = iter(range(10**6))
    text = [[f"w{next(numbers)}" for _ in range(2 + n)] for n in lengths]
    before = sentences_of(read_corpus(text, min_count=1))
    try:
        training, aside = set_aside(read_corpus(text, min_count=1), share, seed)
    except CorpusError as error:
        assert "sets 0 of" in str(error)
        return
    held = sentences_of(aside)
    assert abs(len(held) - share * len(before)) <= 1
    rest = iter(sentences_of(training))
    taken = iter(held)
    ahead = next(taken)
    for sentence in before:  # the order is kept in both
        if sentence == ahead:
            ahead = next(taken, None)
        else:
            assert sentence == next(rest)
    assert next(rest, None) is None and ahead is None


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: "-".join(layer.values()))
@pytest.mark.parametrize("arch", ["skipgram", "cbow"])
@pytest.mark.parametrize("window", [{"window": 2}, {"window": None, "side": "left"}], ids=str)
def test_the_losses_are_the_perplexity_of_the_sentences_set_aside(arch, layer, window):
    model = w2v_hs.train(
        SENTENCES, arch=arch, **layer, **window, dim=8, epochs=3, holdout=0.1, threads=1, seed=4
    )
    _, aside = set_aside(read_corpus(SENTENCES), 0.1, 4)
    words = model.vectors.words
    text = [[words[i] for i in sentence] for sentence in sentences_of(aside)]
    found = model.perplexity(text)
    assert len(model.holdout_losses) == len(model.losses) == 3
    assert model.holdout_losses[-1] == found.nats < model.holdout_losses[0]
    facts = model.provenance["holdout"]
    assert facts["sentences"] == len(text) == 18
    if window["window"] is None:
        pairs = sum(len(line) - 1 if arch == "cbow" else len(line) * (len(line) - 1) // 2 for line in text)
        assert found.pairs == pairs
    assert (facts["predictions"], facts["tokens"]) == (found.pairs, found.tokens)
    assert (facts["unigram_nats"], facts["untrained_nats"]) == (found.unigram, found.untrained)
    assert facts["sampled_unigram_nats"] == found.sampled != found.unigram


def test_measuring_does_not_change_the_training():
    """The weights are those of training on the rest alone, to the bit."""
    options = Options(dim=8, epochs=3, sample=1e-3, threads=1, seed=4, lr=0.05, tree="huffman")
    training, _ = set_aside(read_corpus(SENTENCES), 0.1, 4)
    expected = TrainingLoop(training, huffman(training.vocabulary.counts), options).run()
    model = w2v_hs.train(
        SENTENCES, dim=8, epochs=3, threads=1, seed=4, tree="huffman", holdout=0.1, patience=3
    )
    np.testing.assert_array_equal(model.vectors.matrix, expected.vectors[:, :8])
    np.testing.assert_array_equal(model.outputs, expected.outputs[:, :8])
    assert model.losses == expected.losses


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: "-".join(layer.values()))
def test_patience_stops_and_keeps_the_best(layer):
    """Random text: what is learned by heart makes the rest less probable."""
    common = dict(dim=16, sample=0, threads=1, lr=0.2, holdout=0.2, min_count=1, **layer)
    model = w2v_hs.train(noise(), epochs=40, patience=2, **common)
    losses = model.holdout_losses
    best = int(np.argmin(losses))
    assert len(losses) == len(model.losses) == best + 3 < 40
    assert model.provenance["holdout"]["best_epoch"] == best + 1
    _, aside = set_aside(read_corpus(noise(), min_count=1), 0.2, 1)
    words = model.vectors.words
    text = [[words[i] for i in sentence] for sentence in sentences_of(aside)]
    assert model.perplexity(text).nats == losses[best] < losses[-1]
    without = w2v_hs.train(noise(), epochs=40, **common)
    assert len(without.holdout_losses) == 40
    assert without.holdout_losses[: len(losses)] == losses
    assert without.perplexity(text).nats == without.holdout_losses[-1]


def test_many_threads_wait_for_each_other(monkeypatch):
    monkeypatch.setattr("w2v_hs.options.available_cores", lambda: 3)
    model = w2v_hs.train(SENTENCES, dim=8, epochs=4, holdout=0.1, patience=4, threads=3, sample=0)
    _, aside = set_aside(read_corpus(SENTENCES), 0.1, 1)
    words = model.vectors.words
    text = [[words[i] for i in sentence] for sentence in sentences_of(aside)]
    assert model.perplexity(text).nats == min(model.holdout_losses)
    pairs = sum(len(s) * (len(s) - 1) for s in SENTENCES)
    assert 0 < model.provenance["predictions"] < 4 * pairs


def test_saved_and_loaded(tmp_path):
    path = tmp_path / "m.safetensors"
    model = w2v_hs.train(SENTENCES, dim=4, epochs=2, holdout=0.1, patience=2, threads=1)
    model.save(path)
    again = w2v_hs.load(path)
    assert again.holdout_losses == model.holdout_losses and again.options.patience == 2
    assert again.summary()["holdout_losses"] == model.holdout_losses
    arrays, description = load_arrays(path)
    save_arrays(path, arrays, description | {"holdout_losses": ["low"]})
    with pytest.raises(FormatError, match="an item of holdout_losses is 'low', expected float"):
        w2v_hs.load(path)
    del description["holdout_losses"], description["options"]["holdout"]
    del description["options"]["patience"]
    save_arrays(path, arrays, description)
    assert w2v_hs.load(path).holdout_losses == []  # a file from before there were any


def test_what_cannot_be_set_aside_is_told():
    for options, message in (
        ({"patience": 2}, "patience=2 without holdout"),
        ({"holdout": 0.6}, "holdout=0.6: expected a finite number from 0 to 0.5"),
        ({"holdout": 0.1, "patience": 0}, "patience=0"),
    ):
        with pytest.raises(OptionError, match=message):
            w2v_hs.train(SENTENCES, **options)
    with pytest.raises(CorpusError, match=r"holdout=0.01 sets [01] of 3 sentences aside"):
        w2v_hs.train(SENTENCES[:3], min_count=1, holdout=0.01)


def test_the_copy_of_the_best_is_counted():
    once, twice = (memory.model_bytes(1000, 112, matrices) for matrices in (2, 4))
    assert twice - once == 1000 * 2 * 4 * 112
    corpus = read_corpus([[f"w{i}" for i in range(3000)]] * 5)
    free = memory.OVERHEAD + memory.model_bytes(3000, 112)
    memory.check_fits(corpus.vocabulary, 112, free=free)
    with pytest.raises(VocabularyError, match="need about"):
        memory.check_fits(corpus.vocabulary, 112, matrices=4, free=free)
