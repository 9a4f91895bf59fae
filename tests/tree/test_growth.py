"""Models that grow: new words get a place, and nothing else moves."""

import json
import math

import numpy as np
import pytest
from conftest import TEXT
from hypothesis import given
from hypothesis import strategies as st

import w2v_hs
from w2v_hs.errors import OptionError, VocabularyError
from w2v_hs.tree.growth import damp_in_place, nearest_leaves

KINDS = [
    {"arch": arch, "tree": tree}
    for arch in ("skipgram", "cbow")
    for tree in ("huffman", "balanced", "learned")
]


def trained(**options):
    text = [line.split() for line in TEXT.splitlines() * 50]
    return w2v_hs.train(text, dim=12, epochs=3, sample=0, threads=1, **options)


def contexts(words):
    return [[words[0]], [words[3], words[5]], [words[-1], words[0], words[2]]]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind.values()))
@pytest.mark.parametrize("new", [1, 5, 18, 100])  # 100: more than there are leaves
def test_old_probabilities_stay_to_the_bit(kind, new):
    model = trained(**kind)
    words = list(model.vocabulary.words)
    before = [[model.log_prob(c, w) for w in words] for c in contexts(words)]
    codes = {word: model.tree.code(row) for row, word in enumerate(words)}
    generator = np.random.default_rng(new)
    fresh = {f"new{i}": int(n) for i, n in enumerate(generator.integers(1, 500, new))}
    model.add_words(fresh)
    model.tree.children()
    assert len(model.vocabulary) == 18 + new
    assert list(model.vocabulary.counts) == sorted(model.vocabulary.counts, reverse=True)
    assert {w: model.vocabulary.counts[model.vectors.row(w)] for w in fresh} == fresh
    grown = {word: model.tree.code(row) for row, word in enumerate(model.vocabulary.words)}
    split = [word for word in words if grown[word] != codes[word]]
    assert len(split) == min(new, 18)
    for context, old in zip(contexts(words), before, strict=True):
        for word, value in zip(words, old, strict=True):
            if word not in split:
                assert model.log_prob(context, word) == value
                continue
            # What the leaf had is shared by all that are below it now.
            below = [w for w in grown if grown[w].startswith(codes[word])]
            shares = [model.log_prob(context, w) for w in below]
            assert math.log(sum(map(math.exp, shares))) == pytest.approx(value, abs=1e-12)
            for w, share in zip(below, shares, strict=True):
                halvings = len(grown[w]) - len(codes[word])
                assert share == pytest.approx(value - halvings * math.log(2), abs=1e-12)
        assert model.distribution(context).sum() == pytest.approx(1, abs=1e-9)


def test_one_new_word_splits_the_leaf_of_its_frequency():
    model = trained()
    counts = dict(zip(model.vocabulary.words, model.vocabulary.counts, strict=True))
    codes = {word: model.tree.code(row) for row, word in enumerate(model.vocabulary.words)}
    model.add_words({"zebra": 101})
    (sibling,) = [w for w in codes if model.tree.code(model.vectors.row(w)) != codes[w]]
    assert counts[sibling] == 100  # counts are 400, ..., 150, 100, 50
    assert model.tree.code(model.vectors.row("zebra"))[:-1] == codes[sibling]


@given(
    counts=st.lists(st.integers(1, 50), min_size=1, max_size=40),
    more=st.lists(st.integers(1, 60), min_size=1, max_size=40),
)
def test_no_leaf_is_split_twice_in_a_round(counts, more):
    counts, more = np.sort(counts)[::-1], np.sort(more[: len(counts)])[::-1]
    leaves = nearest_leaves(counts, more)
    assert np.all(np.diff(leaves) > 0)
    assert leaves[0] >= 0 and leaves[-1] < len(counts)


def test_counts_of_known_words_add_up(tmp_path):
    model = trained()
    before = model.vocabulary.counts[model.vectors.row("king")]
    vector = model.vectors["king"].copy()
    model.add_words({"king": 1000, "zebra": 7})
    assert model.vocabulary.counts[model.vectors.row("king")] == before + 1000
    assert model.vectors.row("king") == 0  # the most frequent now
    np.testing.assert_array_equal(model.vectors["king"], vector)
    assert np.all(np.abs(model.vectors["zebra"]) <= 0.5 / 12)
    model.save(tmp_path / "m.safetensors")
    again = w2v_hs.load(tmp_path / "m.safetensors")
    assert again.log_prob(["the"], "zebra") == model.log_prob(["the"], "zebra")


@pytest.mark.parametrize(
    "counts",
    [{"": 3}, {"z": 0}, {"zebra": 1.5}, {"zebra": True}, {7.5: 3}, {"z\0": 1}, {"x": 2**62}, {"x": 2**80}],
)
def test_words_that_cannot_be_added(counts):
    model = trained()
    with pytest.raises(VocabularyError):
        model.add_words(counts)
    with pytest.raises(TypeError, match="counts is of type list: expected a dict"):
        model.add_words([])
    assert len(model.vocabulary) == 18


def test_the_largest_counts_that_can_be_added_can_be_loaded(tmp_path):
    model = trained()
    room = 2**62 - 1 - model.vocabulary.tokens
    with pytest.raises(VocabularyError, match="add up to 4611686018427387904; expected less than"):
        model.add_words({"zebra": room // 2, "horse": room - room // 2 + 1})
    model.add_words({"zebra": room // 2, "horse": room - room // 2})
    model.save(tmp_path / "m.safetensors")
    assert w2v_hs.load(tmp_path / "m.safetensors").vocabulary.tokens == 2**62 - 1


# ---- more text ----------------------------------------------------------------------------------

NEWS = """the zebra chases the dog and the zebra chases the mouse
the zebra and the cat and the dog
vienna is the capital of austria and paris is the capital of france
"""


@pytest.mark.parametrize("arch", ["skipgram", "cbow"])
def test_new_words_learn(arch):
    model = trained(arch=arch, tree="learned")
    words = set(model.vocabulary.words)
    model.update([line.split() for line in (TEXT + NEWS).splitlines() * 60], epochs=10, threads=2)
    assert set(model.vocabulary.words) - words == {"zebra", "vienna", "austria"}
    assert model.vocabulary.counts[model.vectors.row("zebra")] == 180
    there, elsewhere = ["vienna", "is", "the", "capital", "of"], ["the", "dog", "chases", "the"]
    assert model.log_prob(there, "austria") > model.log_prob(elsewhere, "austria") + 1
    near = [w for w, _ in model.vectors.most_similar("zebra", k=4)]
    assert set(near) & {"dog", "cat", "chases", "mouse"}
    (update,) = model.provenance["updates"]
    assert update["lr"] == model.options.lr / 2
    assert len(update["losses"]) == 10 and update["corpus"]["retained_tokens"] > 0


def test_what_was_known_moves_by_the_share_that_is_new():
    """Words without a new occurrence stay to the bit; the others move, rare ones the most."""
    model = trained(arch="skipgram")
    before = {word: model.vectors[word].copy() for word in model.vocabulary.words}
    counts = dict(zip(model.vocabulary.words, model.vocabulary.counts.tolist(), strict=True))
    model.update([["the", "zebra", "chases", "the", "cat"]] * 50, epochs=5, lr=0.05)
    moved = {word: np.linalg.norm(model.vectors[word] - vector) for word, vector in before.items()}
    assert {word for word, far in moved.items() if far} == {"the", "chases", "cat"}
    assert counts["the"] > counts["cat"] and moved["the"] < moved["cat"]


@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=9), seed=st.integers(0, 2**32))
def test_damping(shares, seed):
    generator = np.random.default_rng(seed)
    start, trained = generator.normal(size=(2, len(shares), 3)).astype(np.float32)
    mixed = trained.copy()
    damp_in_place(start, mixed, np.array(shares))
    for row, share in enumerate(shares):
        expected = (1 - share) * start[row] + share * trained[row]
        np.testing.assert_allclose(mixed[row], expected, rtol=1e-5, atol=1e-6)


def test_known_words_alone():
    model = trained()
    before = model.vectors["king"].copy()
    model.update([line.split() for line in NEWS.splitlines() * 60], new_words=False, epochs=1)
    assert len(model.vocabulary) == 18
    assert not np.array_equal(model.vectors["the"], before)


def test_a_failed_update_leaves_the_model_as_it_was():
    model = trained()
    before, words = model.vectors.matrix.copy(), list(model.vocabulary.words)
    news = [line.split() for line in NEWS.splitlines() * 60]
    with pytest.raises(w2v_hs.W2VError):
        model.update(news, lr=1e6, epochs=3)
    with pytest.raises(w2v_hs.W2VError):
        model.update([["nothing"], ["known"]])
    assert model.vocabulary.words == words
    np.testing.assert_array_equal(model.vectors.matrix, before)


def test_the_full_softmax_does_not_grow():
    model = trained(loss="softmax")
    with pytest.raises(OptionError, match="no tree that could grow"):
        model.add_words({"zebra": 5})
    news = [line.split() for line in NEWS.splitlines() * 60]
    model.update(news, new_words=False, epochs=1)
    assert model.distribution(["the"]).sum() == pytest.approx(1, abs=1e-9)


def test_the_command(tmp_path, run, fails):
    text, news, path = tmp_path / "t.txt", tmp_path / "n.txt", tmp_path / "m.safetensors"
    text.write_text(TEXT * 50)
    news.write_text(NEWS * 50)
    run("train", text, "-o", path, "--dim", "8", "--sample", "0", "--epochs", "2")
    whole = path.read_bytes()
    out = tmp_path / "m2.safetensors"
    options = ("--update-vocab", "--epochs", "3", "--lr", "0.01")
    done = run("train", "--resume-from", path, news, "-o", out, *options)
    assert done.returncode == 0, done.stderr
    assert b"3 new words, 21 in all" in done.stderr
    assert path.read_bytes() == whole
    info = json.loads(run("info", out, "--json").stdout)
    assert info["provenance"]["updates"][0]["lr"] == 0.01
    assert len(info["provenance"]["updates"][0]["losses"]) == 3
    shown = run("info", out).stdout.decode()
    assert "updates 1 lr" in shown and "updates 1 corpus sha256" in shown and "{" not in shown
    checkpoint = tmp_path / "m.checkpoint.safetensors"
    assert f"w2v-hs resume {checkpoint}" in fails(
        "train", "--resume-from", checkpoint, news, "-o", out, code=2
    )
    done = run("train", "--resume-from", path, news)  # without -o the model itself, known words
    assert b"0 new words, 18 in all\nleft out 250 tokens of words that" in done.stderr
    assert path.read_bytes() != whole
    assert "needs --resume-from" in fails("train", news, "-o", out, "--update-vocab", code=2)
    assert "--dim with --resume-from" in fails("train", news, "--resume-from", path, "--dim", "9", code=2)
    assert "--tree with --resume-from" in fails(
        "train", news, "--resume-from", path, "--tree", "learned", code=2
    )
    assert "'-o'" in fails("train", news, code=2)
    assert "no such file" in fails("train", news, "--resume-from", tmp_path / "x.safetensors")
    news.write_text("zebra only\n")
    whole = path.read_bytes()
    assert "none of the 2 types" in fails("train", news, "--resume-from", path)
    assert path.read_bytes() == whole
