"""Runs that begin with vectors that exist, and runs against a frozen output layer."""

import hashlib
import os
import random
import re
import shutil
import signal
import warnings

import numpy as np
import pytest
from conftest import TEXT

import w2v_hs
from w2v_hs.errors import FormatError, OptionError
from w2v_hs.kernels import bisect
from w2v_hs.model.weights import start_vectors
from w2v_hs.options import Options
from w2v_hs.progress import Display
from w2v_hs.training.api import train_with
from w2v_hs.training.observers.checkpoint import CheckpointSettings
from w2v_hs.training.observers.run_texts import named_texts
from w2v_hs.training.start import read_compass, read_init

OPTIONS = {"epochs": 5, "sample": 0, "threads": 1}
DIM, NORM = 20, 3.0  # of `model`; mean length of a vector at the start


def epochs(text, **options):
    """The inputs and outputs after each epoch, and the model."""
    seen = []

    def note(epoch):
        seen.append((epoch.model.vectors.matrix.copy(), epoch.model.outputs.copy()))

    return seen, w2v_hs.train(text, **OPTIONS | options, callbacks=note)


@pytest.fixture
def half(model):
    """Vectors of every other word of the model, and of one that no text has."""
    words = model.vectors.words[::2]
    matrix = np.vstack([model.vectors.matrix[::2], np.full(DIM, 0.5, np.float32)])
    return w2v_hs.Vectors([*words, "nowhere"], matrix)


@pytest.mark.parametrize("options", [{}, {"arch": "cbow", "tree": "huffman"}, {"loss": "softmax"}], ids=str)
@pytest.mark.parametrize("name", ["v.bin", "v.npz"])
def test_vectors_rest_for_the_first_fifth_of_a_run_while_the_nodes_learn(
    text_file, half, tmp_path, options, name
):
    w2v_hs.save_vectors(half, tmp_path / name)
    seen, model = epochs(text_file, init=tmp_path / name, **options)
    words = model.vectors.words
    known = np.array([word in half for word in words])
    expected = start_vectors(len(words), DIM, 1)[:, :DIM]
    given = np.stack([half[word] for word in words if word in half])
    expected[known] = given * (NORM / np.sqrt((given**2).sum(axis=1).mean()))
    assert np.allclose(seen[0][0], expected, rtol=1e-5)
    assert np.linalg.norm(seen[0][1]) > 0.1  # the nodes have learned
    assert not np.isclose(seen[1][0], expected).any(axis=1).all()
    facts = model.provenance["init"]
    assert (facts["words_found"], facts["words_frozen"]) == (known.sum(), 0)
    assert facts["name"] == str(tmp_path / name)
    assert facts["sha256"] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


def test_vectors_that_are_there_need_no_more_epochs(text_file, model):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        w2v_hs.train(text_file, init=model)
    assert not [each for each in warned if "a small text" in str(each.message)]


def test_vectors_that_are_there_are_trained_at_the_usual_rate(text_file, model):
    assert w2v_hs.train(text_file, init=model, **OPTIONS).options.lr == 0.025
    assert w2v_hs.train(text_file, init=model, lr=0.04, **OPTIONS).options.lr == 0.04
    # Where they stay, only nodes learn, and new words, from the beginning.
    assert w2v_hs.train(text_file, init=model, freeze=True, **OPTIONS).options.lr == 0.05
    assert w2v_hs.train(text_file, **OPTIONS).options.lr == 0.05


@pytest.mark.parametrize("options", [{}, {"arch": "cbow", "threads": 2}, {"loss": "softmax"}], ids=str)
@pytest.mark.parametrize("some", [False, True])
def test_frozen_vectors_stay_to_the_bit(text_file, half, tmp_path, options, some):
    listed = ["king", "dog", "nowhere"] if some else half.words
    freeze = True
    if some:
        freeze = tmp_path / "words.txt"
        freeze.write_text("\n".join(listed))
    trained = w2v_hs.train(text_file, init=half, freeze=freeze, **OPTIONS | options)
    trained.save(tmp_path / "m.safetensors")
    found = w2v_hs.load(tmp_path / "m.safetensors").vectors
    stay = {word for word in found.words if word in half and word in listed}
    assert stay
    for word in found.words:
        assert (word in half and found[word].tobytes() == half[word].tobytes()) == (word in stay), word
    assert trained.provenance["init"]["words_frozen"] == len(stay)
    assert trained.losses[-1] < trained.losses[0]


def test_long_vectors_that_are_frozen_are_warned_of(text_file, half):
    long = w2v_hs.Vectors(half.words, half.matrix * 100)
    with pytest.warns(UserWarning, match=r"a Vectors: frozen vectors of length .* a lower lr helps, such as"):
        w2v_hs.train(text_file, init=long, freeze=True, lr=1e-5, **OPTIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        w2v_hs.train(text_file, init=long, **OPTIONS | {"epochs": 10})  # scaled


def test_ngrams_begin_with_those_of_init_if_they_are_the_same(text_file):
    subwords = {"subwords": (3, 4), "buckets": 300}
    init = w2v_hs.train(text_file, dim=DIM, **OPTIONS, **subwords)
    words = [word for word in init.vectors.words if word != "king"]
    same = w2v_hs.Vectors(init.vectors.words, init.vectors.matrix, init.vectors.subwords)
    seen, trained = epochs(text_file, init=same, **subwords)
    factor = seen[0][0][0] / init.vectors.matrix[0]
    assert np.allclose(trained.vectors.subwords.rows.shape, init.vectors.subwords.rows.shape)
    assert np.allclose(seen[0][0], factor.mean() * init.vectors.matrix, atol=1e-5)
    # Without n-grams, or with others, the row of a word makes up for them.
    for other in (
        w2v_hs.Vectors(words, np.stack([init.vectors[word] for word in words])),
        w2v_hs.train(text_file, dim=DIM, subwords=(2, 3), buckets=300, **OPTIONS),
    ):
        vectors = getattr(other, "vectors", other)
        seen, trained = epochs(text_file, init=other, **subwords)
        at = [trained.vectors.row(word) for word in vectors.words]
        factor = NORM / np.sqrt((vectors.matrix**2).sum(axis=1).mean())
        assert np.allclose(seen[0][0][at], factor * vectors.matrix, atol=1e-4)


def test_a_tree_is_learned_from_the_vectors_before_the_first_prediction(text_file, model):
    seen = []
    w2v_hs.train(text_file, init=model, **OPTIONS, callbacks=lambda e: seen.append(e.model.tree.nodes.copy()))
    huffman = w2v_hs.train(text_file, init=model, tree="huffman", **OPTIONS).tree.nodes
    assert not np.array_equal(seen[0], huffman)


# ---- a frozen output layer ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(text_file):
    raw = {"lowercase": True, "tokenize": "words", "encoding": "latin-1"}
    return w2v_hs.train(text_file, dim=12, min_count=1, **raw, **OPTIONS)


@pytest.mark.parametrize(
    "options",
    [{}, {"arch": "cbow", "tree": "huffman"}, {"loss": "softmax"}, {"subwords": (3, 4), "buckets": 300}],
    ids=str,
)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_output_layer_stays_to_the_bit_while_vectors_learn(text_file, tmp_path, options, threads):
    base = w2v_hs.train(text_file, dim=12, **OPTIONS, **options)
    base.save(tmp_path / "base.safetensors")
    text = tmp_path / "later.txt"
    text.write_text("the king chases the zebra and the queen chases the zebra\n" * 300)
    trained = w2v_hs.train(text, compass=tmp_path / "base.safetensors", threads=threads, epochs=2)
    assert trained.outputs.tobytes() == base.outputs.tobytes()
    if base.tree is not None:
        assert trained.tree.nodes.tobytes() == base.tree.nodes.tobytes()
        assert trained.tree.bits.tobytes() == base.tree.bits.tobytes()
    assert trained.vocabulary.words == base.vocabulary.words
    assert not np.allclose(trained.vectors["king"], base.vectors["king"], atol=0.01)
    if "subwords" not in options:  # words share n-grams
        assert trained.vectors["paris"].tobytes() == base.vectors["paris"].tobytes()
    assert trained.log_prob("king", "chases") > base.log_prob("king", "chases")
    facts, corpus = trained.provenance["compass"], trained.provenance["corpus"]
    assert facts["sha256"] == hashlib.sha256((tmp_path / "base.safetensors").read_bytes()).hexdigest()
    assert facts["words_absent"] == len(base.vocabulary) - 5
    assert corpus["tokens"] - corpus["retained_tokens"] == 2 * 300


def test_the_model_determines_options_and_preprocessing(base, tmp_path):
    text = tmp_path / "raw.txt"
    text.write_bytes(b"The King, the Dog. \xe9\n" * 200)
    with pytest.warns(UserWarning, match="a small text .* try epochs=20$"):  # not another window
        w2v_hs.train(text, compass=base)
    trained = w2v_hs.train(text, compass=base, epochs=2, seed=7)
    assert trained.provenance["corpus"]["retained_tokens"] == 800
    assert (trained.options.dim, trained.options.min_count, trained.options.sample) == (12, 1, 0)
    assert (trained.options.epochs, trained.options.seed, trained.options.tree) == (2, 7, "given")


def test_probabilities_of_two_texts_differ_no_more_than_those_of_two_seeds():
    """Two halves of a text, against one output layer; and the text twice, with other seeds."""
    lines = [line.split() for line in TEXT.splitlines()] * 1000
    random.Random(1).shuffle(lines)
    options = {"dim": 12, "epochs": 3, "sample": 0, "threads": 1, "tree": "huffman"}
    base, other = (w2v_hs.train(lines, seed=seed, **options) for seed in (1, 2))
    halves = [w2v_hs.train(lines[i::2], compass=base, epochs=3, threads=1) for i in range(2)]

    def difference(a, b):
        words = a.vocabulary.words
        return np.mean([np.abs(np.log(a.distribution(w) / b.distribution(w))).mean() for w in words])

    def turned(a, b):
        """1 - the cosine of the vectors of a word, in the mean over words."""
        unit = [m.vectors.matrix / np.linalg.norm(m.vectors.matrix, axis=1)[:, None] for m in (a, b)]
        return 1 - (unit[0] * unit[1]).sum(axis=1).mean()

    assert difference(*halves) < difference(base, other)
    assert turned(*halves) < 0.1 < turned(base, other)


# ---- going on, and what is refused --------------------------------------------------------------


class Copies(Display):
    """Copies all checkpoints that a run writes."""

    def __init__(self, folder):
        self.folder, self.paths = folder, []

    def checkpoint(self, path, seconds, every):
        copy = self.folder / f"{len(self.paths)}.checkpoint.safetensors"
        self.paths.append(shutil.copy(path, copy))


@pytest.mark.parametrize(
    ("start", "freeze"), [("init", False), ("init", True), ("init", ["the", "king"]), ("compass", False)]
)
def test_a_stopped_run_ends_the_same_to_the_bit(tmp_path, model, start, freeze):
    text = tmp_path / "text.txt"
    text.write_text(TEXT * 500)
    settings = CheckpointSettings(tmp_path / "m.checkpoint.safetensors", 1e-9, named_texts(text))
    given = {"init": read_init(model, freeze, None)} if start == "init" else {"compass": read_compass(model)}
    options = Options(epochs=3, threads=1) if start == "compass" else Options(epochs=3, threads=1, sample=0)
    copies = Copies(tmp_path)
    whole = train_with(options, text, settings=settings, show=copies, **given)
    for path in copies.paths[:: max(1, len(copies.paths) // 6)]:
        resumed = w2v_hs.resume(path)
        assert resumed.vectors.matrix.tobytes() == whole.vectors.matrix.tobytes()
        assert resumed.outputs.tobytes() == whole.outputs.tobytes()
        assert resumed.losses == whole.losses
        assert resumed.provenance[start] == whole.provenance[start]


def test_a_stop_while_the_first_tree_is_learned(text_file, model, tmp_path, monkeypatch):
    halve, calls, kept = bisect.halve, [], tmp_path / "m.checkpoint.safetensors"

    def stop_at_once(*arguments):
        calls.append(None)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return halve(*arguments)

    whole = w2v_hs.train(text_file, init=model, **OPTIONS)
    monkeypatch.setattr(bisect, "halve", stop_at_once)
    with pytest.raises(w2v_hs.Interrupted):
        w2v_hs.train(text_file, init=model, checkpoint=kept, **OPTIONS)
    resumed = w2v_hs.resume(kept)
    assert resumed.vectors.matrix.tobytes() == whole.vectors.matrix.tobytes()
    assert resumed.losses == whole.losses


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init": "VECTORS", "dim": 100}, "dim=100 with init=a Vectors: its vectors have 20 values"),
        ({"init": "NOWHERE"}, "init=a Vectors: has none of the 18 words of the vocabulary"),
        ({"init": "VECTORS", "freeze": ["nowhere"]}, "freeze: none of its 1 words is both in"),
        ({"freeze": True}, "freeze without init"),
        ({"init": "VECTORS", "freeze": True, "subwords": (3, 4)}, "init with freeze and subwords"),
        ({"init": "VECTORS", "compass": "MODEL"}, "init with compass"),
        ({"init": "VECTORS", "replicas": 2}, "init with replicas"),
        ({"compass": "MODEL", "replicas": 2}, "compass with replicas"),
        ({"init": "VECTORS", "client": "tcp"}, "init with a cluster"),
        ({"compass": "MODEL", "client": "tcp"}, "compass with a cluster"),
        ({"compass": "MODEL", "vocab": "TEXT"}, "compass with vocab or a tree"),
        ({"compass": "MODEL", "dim": 50}, "dim=50 with compass: its model determines it"),
        ({"compass": "MODEL", "window": 3}, "window=3 with compass"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_what_does_not_go_together_is_refused(text_file, model, tmp_path, options, message):
    (tmp_path / "vocab.txt").write_text("the 3\nking 2\n")
    objects = {
        "VECTORS": model.vectors,
        "NOWHERE": w2v_hs.Vectors(["nowhere"], np.ones((1, DIM))),
        "MODEL": model,
        "TEXT": tmp_path / "vocab.txt",
    }
    given = {name: objects.get(v, v) if isinstance(v, str) else v for name, v in options.items()}
    with pytest.raises(OptionError, match=re.escape(message)):
        w2v_hs.train(text_file, **given)


def test_what_is_no_source_of_vectors_is_refused(text_file, model, tmp_path):
    broken = model.vectors.matrix.copy()
    broken[3, 2] = np.nan
    with pytest.raises(FormatError, match=f"init: the vector of '{model.vectors.words[3]}' holds NaN"):
        w2v_hs.train(text_file, init=w2v_hs.Vectors(model.vectors.words, broken))
    with pytest.raises(TypeError, match="init is of type list"):
        w2v_hs.train(text_file, init=[1])
    with pytest.raises(TypeError, match="compass is of type Vectors"):
        w2v_hs.train(text_file, compass=model.vectors)
    for freeze in (None, 1, b"king", [b"king"]):
        with pytest.raises(TypeError, match=r"freeze=.*: expected True, False, a file"):
            w2v_hs.train(text_file, init=model, freeze=freeze)
    (tmp_path / "words.txt").write_text("king\nqueen of spades\n")
    with pytest.raises(FormatError, match=r"words.txt:2: found 'queen of spades', expected one word a line"):
        w2v_hs.train(text_file, init=model, freeze=tmp_path / "words.txt")


def test_the_commands(run, fails, text_file, model, tmp_path):
    model.save(tmp_path / "a.safetensors")
    model.export(tmp_path / "v.bin")
    train = ["train", text_file, "--threads", 1, "--sample", 0]
    (tmp_path / "w.txt").write_text("king\nqueen\nknave\n")
    for kept, count in ((["--freeze"], 18), (["--freeze", "all"], 18), (["--freeze", "w.txt"], 2), ([], 0)):
        done = run(*train, "-o", "m.safetensors", "--init", "v.bin", *kept, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        line = "v.bin: vectors for 18 of 18 words" + (f", {count} of them frozen" if count else "")
        line += " (3 were to be)" if count == 2 else ""
        assert line in done.stderr.decode().splitlines()
        trained = w2v_hs.load(tmp_path / "m.safetensors")
        same = [np.array_equal(trained.vectors[w], model.vectors[w]) for w in model.vectors.words]
        assert sum(same) == count and trained.options.dim == DIM
    (tmp_path / "news.txt").write_text("the king chases the zebra\n" * 100)
    done = run("train", "news.txt", "-o", "b.safetensors", "--compass", "a.safetensors", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    line = "a.safetensors: 100 tokens of words that it lacks left out; 15 of its 18 words are not in the text"
    assert line in done.stderr.decode()
    assert w2v_hs.load(tmp_path / "b.safetensors").outputs.tobytes() == model.outputs.tobytes()
    out = [*train, "-o", "n.safetensors"]
    for wrong, message in (
        (["--freeze"], "--freeze needs --init"),
        (["--init", "v.bin", "--resume-from", "a.safetensors"], "--resume-from with --init"),
        (["--compass", "a.safetensors", "--resume-from", "a.safetensors"], "--resume-from with --compass"),
        (["--compass", "a.safetensors"], "--sample with --compass: the model determines it"),
    ):
        assert message in fails(*out, *wrong, cwd=tmp_path, code=2)
    assert "dim=7 with init=v.bin" in fails(*out, "--init", "v.bin", "--dim", 7, cwd=tmp_path)
    assert "is given twice" in fails(*out[:-1], "a.safetensors", "--init", "a.safetensors", cwd=tmp_path)
    assert not (tmp_path / "n.safetensors").exists()
