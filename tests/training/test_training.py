"""Training as a whole: what a run gives, whatever its mode."""

import itertools
import math
import re
import time
import warnings
from dataclasses import replace

import naive
import numpy as np
import pytest
from conftest import TEXT

import w2v_hs
from w2v_hs.errors import CorpusError, DivergedError, OptionError, VocabularyError
from w2v_hs.kernels.common import aligned_zeros
from w2v_hs.model.weights import start_vectors
from w2v_hs.options import Options
from w2v_hs.text.corpus import read_corpus
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.training import memory
from w2v_hs.training.divergence import Probe
from w2v_hs.training.loop import SOFTMAX_LIMIT, TrainingLoop, check_softmax
from w2v_hs.training.workers import Copying, Worker, make_workers
from w2v_hs.tree.tree import entropy, huffman

MODES = [
    dict(arch=arch, **layer)
    for arch in ("skipgram", "cbow")
    for layer in ({"tree": "huffman"}, {"tree": "balanced"}, {"loss": "softmax"})
]
SENTENCES = [line.split() for line in TEXT.splitlines()] * 200


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(mode.values()))
def test_every_mode_learns(mode):
    """The loss falls and ends below the unigram entropy."""
    model = w2v_hs.train(SENTENCES, **mode, dim=16, epochs=10, sample=0, threads=1, window=2)
    assert model.losses[0] > model.losses[1] > model.losses[-1]
    assert model.losses[-1] < entropy(model.vocabulary.counts) * math.log(2)
    assert np.isfinite(model.vectors.matrix).all() and np.isfinite(model.outputs).all()
    assert model.vectors.matrix.shape == (len(model.vocabulary), 16)
    assert model.vectors.matrix.dtype == np.float32


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(mode.values()))
def test_probabilities_of_a_trained_model_sum_to_one(mode):
    """From the trained float32 weights, by the definition, in float64."""
    model = w2v_hs.train(SENTENCES, **mode, dim=16, epochs=3, sample=0, threads=1)
    outputs = model.outputs.astype(np.float64)
    for h in model.vectors.matrix.astype(np.float64):
        if model.tree is None:
            total = naive.softmax_probabilities(h, outputs).sum()
        else:
            total = sum(
                math.exp(-naive.tree_loss(h, outputs, naive.path(model.tree, word)))
                for word in range(len(model.vocabulary))
            )
        assert total == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(mode.values()))
def test_same_seed_one_thread_same_bytes(mode):
    def train(seed):
        return w2v_hs.train(SENTENCES, **mode, dim=10, epochs=2, seed=seed, threads=1)

    one, again, other = train(1), train(1), train(2)
    assert one.vectors.matrix.tobytes() == again.vectors.matrix.tobytes()
    assert one.outputs.tobytes() == again.outputs.tobytes()
    assert one.losses == again.losses
    assert one.vectors.matrix.tobytes() != other.vectors.matrix.tobytes()


@pytest.mark.parametrize("arch", ["skipgram", "cbow"])
def test_sixteen_threads_learn_as_one(arch):
    """Cores side by side, whatever there are here: threads that take turns, each with the copies
    that it had before the others trained. Where all of their changes are added the loss of this
    text grows."""
    words = 300
    frequencies = 1 / np.arange(1, words + 1)
    drawn = np.random.default_rng(1).choice(words, (7500, 40), p=frequencies / frequencies.sum())
    corpus = read_corpus([[f"w{n}" for n in line] for line in drawn.tolist()], min_count=1)
    tree = huffman(corpus.vocabulary.counts)
    one = Options(arch=arch, tree="huffman", dim=16, sample=0, threads=1).resolved()

    def loss(threads):
        options = replace(one, threads=threads)
        vectors = start_vectors(len(corpus.vocabulary), 16, seed=1)
        often = Copying(merges=1)  # every 4,096 windows, as in a long text
        outputs = aligned_zeros(tree.inner + often.rows(options, tree.inner), 16)
        team = make_workers(corpus, tree, options, vectors, outputs, often)
        for turn, first in enumerate(range(0, len(drawn), 10)):
            rate = options.lr * (1 - first / len(drawn))
            team[turn % threads].train(first, first + 10, rate, np.uint64(turn))
        for worker in team:
            worker.finish()
        return Probe(corpus, options).losses(vectors, outputs, tree)[0]

    assert loss(16) == pytest.approx(loss(1), rel=0.005)


@pytest.mark.parametrize("arch", ["skipgram", "cbow"])
def test_what_threads_have_not_merged_is_merged_at_the_end(arch):
    corpus = read_corpus(SENTENCES[:100], min_count=1)
    options = Options(arch=arch, tree="huffman", dim=8, epochs=1, sample=0, lr=0.025, threads=2)
    rarely = Copying(merges=0.01)  # later than the text is long
    tree = huffman(corpus.vocabulary.counts)
    weights = TrainingLoop(corpus, tree, options, copying=rarely).run()
    assert weights.outputs.any(axis=1).all()


class Watched(Worker):
    """Notes what another worker trains."""

    def __init__(self, worker, seen):
        self.worker, self.seen = worker, seen

    def train(self, first, last, rate, state):
        totals = self.worker.train(first, last, rate, state)
        self.seen.append((first, last, int(totals[2]), int(totals[1])))
        return totals

    def finish(self):
        self.worker.finish()


@pytest.mark.parametrize("arch", ["skipgram", "cbow"])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_token_is_trained_once_an_epoch(arch, threads):
    corpus = read_corpus(SENTENCES)
    options = Options(
        arch=arch, dim=4, epochs=3, sample=0, window=1, lr=0.025, threads=threads, tree="huffman"
    )
    seen = []

    def watched(*arguments):
        return [Watched(worker, seen) for worker in make_workers(*arguments)]

    tree = huffman(corpus.vocabulary.counts)
    weights = TrainingLoop(corpus, tree, options, make_workers=watched).run()
    runs = sorted((first, last) for first, last, *_ in seen if last > first)
    sentences = len(corpus.sentences) - 1
    times = np.zeros(sentences, int)
    for first, last in runs:
        times[first:last] += 1
    assert np.all(times == 3)
    assert sum(tokens for *_, tokens, _ in seen) == 3 * len(corpus.ids)
    # Window 1: every word but the first and last of a sentence has two neighbours.
    pairs = sum(2 * n - 2 for n in np.diff(corpus.sentences))
    centres = len(corpus.ids)
    assert weights.predictions == 3 * (pairs if arch == "skipgram" else centres)


def test_the_rate_falls_to_its_floor():
    reports = []
    corpus = read_corpus(SENTENCES)
    options = Options(dim=4, epochs=3, lr=0.1, threads=1).resolved()
    TrainingLoop(corpus, huffman(corpus.vocabulary.counts), options, reports.append).run()
    last = reports[-1]
    assert last.tokens == last.total == 3 * len(corpus.ids)
    assert last.epoch == 3
    assert 0.1 * 1e-4 <= last.rate < 0.1 * 0.02


def test_a_rate_far_too_large_is_told():
    with pytest.raises(DivergedError, match=r"epoch \d+, token .*: the loss is .*smaller lr"):
        w2v_hs.train(SENTENCES, lr=1e30, epochs=3, threads=1, sample=0)


@pytest.mark.parametrize("options", [{"lr": 0.3, "epochs": 1}, {"arch": "cbow", "lr": 5.0}])
def test_a_model_worse_than_an_untrained_one_is_no_success(options):
    generator = np.random.default_rng(1)
    text = [[f"w{i}" for i in generator.zipf(1.5, 30)] for _ in range(300)]
    with pytest.raises(DivergedError, match="smaller lr"):
        w2v_hs.train(text, **options, threads=1, sample=0, min_count=1)


@pytest.mark.parametrize(("arch", "epochs"), [("skipgram", 3), ("cbow", 10)])
def test_the_full_softmax_learns_at_its_default_rate(arch, epochs):
    generator = np.random.default_rng(1)
    steps = generator.integers(-2, 3, (750, 20)).cumsum(axis=1)  # walks within one of 25 clusters
    walks = generator.integers(0, 25, (750, 1)) * 20 + steps % 20
    sentences = [[f"w{i}" for i in walk] for walk in walks.tolist()]
    options = {"arch": arch, "loss": "softmax", "dim": 32, "epochs": epochs, "min_count": 1, "threads": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that nothing was learned
        model = w2v_hs.train(sentences, **options)
    assert model.losses[-1] < 0.5 * math.log(500)
    assert w2v_hs.train(sentences[:50], **options | {"lr": 0.01, "threads": 1}).options.lr == 0.01


def test_a_run_that_learns_nothing_ends_with_a_warning(run, tmp_path):
    (tmp_path / "t.txt").write_text("a b c d\n" * 20 + "e f g h\n" * 10)
    arguments = ("train", tmp_path / "t.txt", "-o", tmp_path / "m.safetensors", "--sample", "0")
    done = run(*arguments, "--lr", "1e-6")
    assert done.returncode == 0
    assert b"warning: the model has learned nothing from contexts: its loss on" in done.stderr
    assert b"higher lr than 1e-06" in done.stderr
    assert b"learned nothing" not in run(*arguments, "--epochs", "50", "--lr", "0.1").stderr


@pytest.mark.parametrize("options", [{"sample": 1e-30}, {"loss": "softmax", "sample": 1e-30}])
def test_no_prediction_is_no_success(options):
    with pytest.raises(CorpusError, match=r"nothing to predict: of .*\(sample 0\)"):
        w2v_hs.train(SENTENCES, **options, threads=1, epochs=2)
    with pytest.raises(CorpusError, match="nothing to predict"):
        w2v_hs.train([["a"], ["b"]] * 9, threads=1, sample=0)


class Fine(Worker):
    def train(self, first, last, rate, state):
        time.sleep(0.001)
        return np.zeros(3)


class Broken(Worker):
    def train(self, first, last, rate, state):
        raise RuntimeError("broken worker")


def test_an_error_in_one_thread_stops_all():
    corpus = read_corpus(SENTENCES)
    options = Options(dim=4, epochs=1000, sample=1e-3, threads=2, lr=0.1, tree="huffman")
    tree = huffman(corpus.vocabulary.counts)
    loop = TrainingLoop(corpus, tree, options, make_workers=lambda *_: [Fine(), Broken()])
    with pytest.raises(RuntimeError, match="broken worker") as caught:
        loop.run()
    assert "in training thread 2 of 2" in caught.value.__notes__


def test_full_softmax_refuses_a_large_vocabulary():
    with pytest.raises(OptionError, match=r"needs 31,338,496 bytes.*16,777,216.*max_vocab to 37449"):
        check_softmax(69_952, 100)
    check_softmax(SOFTMAX_LIMIT // 448, 100)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arch": "glove"}, "arch='glove': expected one of skipgram, cbow"),
        ({"tree": "oak"}, "tree='oak'"),
        ({"dim": 0}, "dim=0: expected a whole number from 1 to 65536"),
        ({"dim": 2.5}, "dim=2.5"),
        ({"window": True}, "window=True"),
        ({"window": 1001}, "window=1001: expected a whole number from 1 to 1000"),
        ({"epochs": -1}, "epochs=-1"),
        ({"min_count": -1}, "min_count=-1"),
        ({"max_vocab": 1}, "max_vocab=1"),
        ({"sample": -1e-3}, "sample=-0.001"),
        ({"sample": math.nan}, "sample=nan"),
        ({"lr": 0.0}, "lr=0.0: expected a finite number above 0"),
        ({"lr": math.inf}, "lr=inf"),
        ({"lr": math.nan}, "lr=nan"),
        ({"threads": 0}, "threads=0"),
        ({"seed": -1}, "seed=-1"),
        ({"errors": "skip"}, "errors='skip'"),
    ],
)
def test_options_outside_their_range(options, message):
    with pytest.raises(OptionError) as caught:
        w2v_hs.train(SENTENCES, **options)
    assert message in str(caught.value)


def test_more_threads_than_cores_are_cut_with_a_warning():
    with pytest.warns(UserWarning, match="threads=100000: this process may use"):
        assert Options(threads=100_000).resolved().threads < 100_000


@pytest.mark.parametrize(
    ("tokens", "options", "sample", "lr"),
    [
        (1_000_000, {}, 1e-3, 0.05),
        (1_600_000, {}, 1e-3, 0.03125),
        (1_600_000, {"epochs": 4}, 1e-3, 0.0390625),
        (800_000, {"window": 10}, 1e-3, 0.03125),
        (2_000_000, {}, 1e-3, 0.025),
        (1_000_000, {"window": None}, 1e-3, 0.025),
        (9_999_999, {}, 1e-3, 0.025),
        (10_000_000, {}, 1e-4, 0.025),
        (1_000_000, {"arch": "cbow"}, 1e-3, 0.1),
        (10**9, {"arch": "cbow"}, 1e-4, 0.05),
        (100, {"loss": "softmax"}, 1e-3, 0.05),
        (10**9, {"loss": "softmax"}, 1e-3, 0.05),
        (100, {"sample": 0, "lr": 0.3}, 0, 0.3),
        (None, {}, 1e-4, 0.025),
    ],
)
def test_sample_and_lr_fit_the_text(tokens, options, sample, lr):
    found = Options(**options).resolved(tokens)
    assert (found.sample, found.lr) == (sample, pytest.approx(lr))


def test_a_run_says_and_stores_which_sample_and_lr_it_took(text_file, tmp_path, run):
    done = run("train", text_file, "-o", tmp_path / "m.safetensors", "--dim", 4, "--epochs", 1)
    assert b" with sample 0.001, lr 0.05; peak" in done.stderr
    options = w2v_hs.load(tmp_path / "m.safetensors").options
    assert (options.sample, options.lr) == (1e-3, 0.05)


def test_a_vocabulary_that_does_not_fit_names_the_min_count_that_would():

    counts = (10**6 // np.arange(1, 100_001)).astype(np.int64)
    words = Vocabulary([str(i) for i in range(100_000)], counts)
    free = memory.OVERHEAD + memory.model_bytes(5_000, 112)
    with pytest.raises(VocabularyError, match=r"100,000 words need about [\d,]+ bytes") as caught:
        memory.check_fits(words, 112, free=free)
    least = int(re.search(r"min_count=(\d+)", str(caught.value)).group(1))
    kept = Vocabulary(words.words[: int((counts >= least).sum())], counts[counts >= least])
    memory.check_fits(kept, 112, free=free)
    assert len(kept) > 4_000


@pytest.mark.skipif(not memory.peak_bytes(), reason="the system does not say how much a process held")
@pytest.mark.parametrize("ngrams", [[], ["--subwords", "3-6"]])
def test_memory_is_predicted_within_a_tenth(tmp_path, run, ngrams):
    syllables = [c + v for c in "bcdfghjklmnprstvwz" for v in "aeiou"]
    words = ["".join(four) for four in itertools.islice(itertools.product(syllables, repeat=4), 0, 10**6, 25)]
    text = tmp_path / "text.txt"
    text.write_text("\n".join(" ".join(words[i : i + 20]) for i in range(0, len(words), 20)))
    done = run(
        "train", text, "-o", tmp_path / "m.safetensors", "--min-count", 1, "--epochs", 1, *ngrams, env={}
    )
    assert done.returncode == 0, done.stderr
    model = w2v_hs.load(tmp_path / "m.safetensors")
    extra = memory.ngram_bytes(words, model.ngrams, 112, 1) if ngrams else 0
    assert not ngrams or len(model.ngrams) > 10_000
    expected = memory.run_bytes(len(words), 112, len(words), 3, extra)
    assert model.provenance["peak_memory_bytes"] == pytest.approx(expected, rel=0.1)


def test_memory_is_read_from_the_system():
    free = memory.available_bytes()
    assert free is None or 1 << 20 < free < 1 << 50


def test_a_small_text_is_told_what_suits_it(text_file, tmp_path, run):
    few = {"dim": 4, "threads": 1, "sample": 0}
    with pytest.warns(UserWarning, match="a small text .* try epochs=20 and window=10"):
        w2v_hs.train(text_file, **few)
    arguments = "train", text_file, "-o", tmp_path / "m.safetensors", "--dim", 4, "--sample", 0
    line = " words): for better vectors try --epochs 20 and --window 10\n"
    assert line in run(*arguments).stderr.decode()
    for chosen in ("--epochs", "--window"):
        assert "a small text" not in run(*arguments, chosen, 5).stderr.decode()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        w2v_hs.train(text_file, window=3, **few)


def test_generators_are_read_once():
    produced = itertools.count()

    def generate():
        for sentence in SENTENCES:
            next(produced)
            yield sentence

    model = w2v_hs.train(generate(), dim=4, epochs=4, threads=1)
    assert next(produced) == len(SENTENCES)
    assert model.provenance["predictions"] > 4 * len(SENTENCES)
