"""Subwords: n-grams as fastText has them, words that were never seen, fastText's files."""

import itertools
import pickle
import struct
import subprocess
import sys
from collections import Counter

import naive
import numpy as np
import pytest
from conftest import TEXT, train_leaving
from hypothesis import given
from hypothesis import strategies as st

import w2v_hs
from w2v_hs.errors import FormatError, OptionError, UnknownWordError
from w2v_hs.files.container import save_arrays
from w2v_hs.training.cluster.api import check_options
from w2v_hs.training.update import ngram_shares
from w2v_hs.vectors.subwords import buckets_of, choose_ngrams, parts_to_train, tied_rows

OPTIONS = {"dim": 20, "epochs": 2, "threads": 1, "sample": 0, "subwords": (3, 5), "buckets": 5000}
KINDS = [
    {},
    {"arch": "cbow", "tree": "huffman"},
    {"loss": "softmax"},
    {"arch": "cbow", "loss": "softmax"},
    {"holdout": 0.1, "patience": 1, "tree": "balanced", "tree_order": "learned"},
]


@pytest.fixture(scope="module")
def trained(text_file):
    return w2v_hs.train(text_file, **OPTIONS)


@given(
    words=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), max_size=5),
    shortest=st.integers(1, 4),
    more=st.integers(0, 4),
    buckets=st.integers(1, 3000),
)
def test_buckets_are_those_of_the_definition(words, shortest, more, buckets):
    words = [word for word in words if word != "</s>"]
    offsets, found = buckets_of(words, shortest, shortest + more, buckets)
    for word, begin, end in zip(words, offsets, offsets[1:], strict=False):
        expected = naive.ngram_buckets(word, shortest, shortest + more, buckets)
        assert found[begin:end].tolist() == expected


def test_a_vector_is_the_mean_of_the_rows_of_a_word(trained):
    subwords, words = trained.vectors.subwords, trained.vectors.words
    places = {int(bucket): place for place, bucket in enumerate(subwords.ngrams.ids)}
    for row, word in enumerate(words):
        buckets = naive.ngram_buckets(word, 3, 5, 5000)
        rows = [row, *(len(words) + places[bucket] for bucket in buckets)]
        np.testing.assert_allclose(trained.vectors[word], subwords.rows[rows].mean(axis=0), rtol=1e-5)


def test_a_word_that_was_never_seen(trained):
    vectors = trained.vectors
    assert "kingly" not in vectors and vectors.subwords is not None
    buckets = set(naive.ngram_buckets("kingly", 3, 5, 5000))
    places = [place for place, bucket in enumerate(vectors.subwords.ngrams.ids) if bucket in buckets]
    rows = vectors.subwords.rows[len(vectors) :][places]
    expected = rows.sum(axis=0) / len(naive.ngram_buckets("kingly", 3, 5, 5000))
    np.testing.assert_allclose(vectors["kingly"], expected, rtol=1e-5)
    best = vectors.most_similar("kingly", k=3)
    cosines = {word: vectors.similarity("kingly", word) for word in vectors.words}
    assert [word for word, _ in best] == sorted(cosines, key=cosines.get, reverse=True)[:3]
    assert vectors.similarity("kingly", "king") == pytest.approx(
        float(vectors["kingly"] @ vectors["king"])
        / float(np.linalg.norm(vectors["kingly"]) * np.linalg.norm(vectors["king"])),
        rel=1e-5,
    )
    # Any context, but only a known word as the target.
    assert np.exp(trained.log_prob("kingly", "king")) == pytest.approx(
        trained.distribution("kingly")[vectors.row("king")]
    )
    assert trained.distribution(["kingly", "queen"]).sum() == pytest.approx(1)
    with pytest.raises(UnknownWordError, match="'kingly' is not among the 18 words"):
        trained.log_prob("king", "kingly")
    with pytest.raises(UnknownWordError, match="'xyz' is not among"):
        vectors["xyz"]  # none of its n-grams was seen


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_mode_learns_saves_and_goes_on(kind, text_file, tmp_path):
    kept = tmp_path / "m.checkpoint.safetensors"
    options = OPTIONS | {"epochs": 4} | kind
    whole = train_leaving(kept, text_file, **options)
    assert whole.losses[-1] < whole.losses[0]
    whole.save(tmp_path / "m.safetensors")
    again = w2v_hs.load(tmp_path / "m.safetensors")
    assert again.options == whole.options
    np.testing.assert_array_equal(again.vectors.matrix, whole.vectors.matrix)
    np.testing.assert_array_equal(again.vectors["kingly"], whole.vectors["kingly"])
    if kept.exists():  # where the run paused; test_checkpoint.py stops runs at every place
        resumed = w2v_hs.resume(kept)
        np.testing.assert_array_equal(resumed.vectors.matrix, whole.vectors.matrix)
        np.testing.assert_array_equal(resumed.vectors.subwords.rows, whole.vectors.subwords.rows)
    again.update(text_file, epochs=1, threads=1)
    assert (again.outputs != whole.outputs).any() and (again.vectors["king"] != whole.vectors["king"]).any()


def test_an_update_begins_new_words_at_what_their_ngrams_say(trained, text_file, tmp_path):
    trained.save(tmp_path / "m.safetensors")
    model = w2v_hs.load(tmp_path / "m.safetensors")
    before = model.vectors["king"]
    model.add_words({"kings": 3})
    np.testing.assert_array_equal(model.vectors["king"], before)
    assert model.vectors.similarity("kings", "king") > 0.5
    news = tmp_path / "news.txt"
    news.write_text("the kings rule the seas\n" * 20)
    model.update(news, min_count=1, threads=1)
    assert "seas" in model.vectors and np.isfinite(model.vectors["seashore"]).all()
    subwords = model.vectors.subwords
    assert len(subwords.rows) == len(model.vectors) + len(subwords.ngrams)


def test_an_update_leaves_words_alone_that_share_no_part_with_its_text(trained, tmp_path):
    trained.save(tmp_path / "m.safetensors")
    model = w2v_hs.load(tmp_path / "m.safetensors")
    model.update([["king", "queen"]] * 50, threads=1)
    used = {bucket for word in ("king", "queen") for bucket in naive.ngram_buckets(word, 3, 5, 5000)}
    apart = [word for word in model.vectors.words if not used & {*naive.ngram_buckets(word, 3, 5, 5000)}]
    apart = [word for word in apart if word not in ("king", "queen")]
    assert len(apart) > 10
    for word in apart:
        np.testing.assert_array_equal(model.vectors[word], trained.vectors[word])
    assert (model.vectors["king"] != trained.vectors["king"]).any()


def test_the_share_of_an_ngram_that_is_new():
    """Of all occurrences of its words: by the definition."""
    words, total, added = ["abc", "abd", "xyz"], np.array([100, 10, 4]), np.array([20, 5, 0])
    ngrams = choose_ngrams(words, total * 1.0, 2, 3, 10**6)
    parts = ngrams.parts(words)
    rows = [parts.rows[a:b].tolist() for a, b in itertools.pairwise(parts.offsets)]
    of = [np.array([row in others for others in rows]) for row in range(3, 3 + len(ngrams))]
    expected = [added[mask].sum() / total[mask].sum() for mask in of]
    np.testing.assert_allclose(ngram_shares(parts, added, total), expected)


def test_vectors_outside_the_vocabulary_in_an_evaluation(trained, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("king\tqueen\t9\nkingly\tcat\t2\nking\tqueenly\t8\ndog\txyz\t1\ndog\tcat\t7\n")
    options = {"analogies": (), "similarity": pairs}
    (plain,) = w2v_hs.evaluate(trained, **options).similarity
    (wide,) = w2v_hs.evaluate(trained, oov="subwords", **options).similarity
    assert (plain.used, plain.from_subwords) == (2, 0)
    assert (wide.used, wide.from_subwords) == (4, 2)
    with pytest.raises(OptionError, match="these vectors have none"):
        w2v_hs.evaluate(w2v_hs.Vectors(["a", "b"], np.eye(2)), oov="subwords", **options)


@pytest.mark.parametrize("option", [(0, 3), (4, 3), (3,), "3-6", 3, (3, 101), (1.5, 3)])
def test_a_range_of_ngrams_that_is_none(option, text_file):
    with pytest.raises(OptionError, match="subwords"):
        w2v_hs.train(text_file, subwords=option)


# ---- fastText's files ---------------------------------------------------------------------------


def test_a_file_of_fasttext_gives_the_same_vectors(trained, tmp_path):
    path = tmp_path / "v.bin"
    trained.export(path, format="fasttext")
    again = w2v_hs.load_vectors(path)
    assert again.words == trained.vectors.words
    for word in [*again.words, "kingly", "queenly"]:
        np.testing.assert_array_equal(again[word], trained.vectors[word])
    trained.export(path, format="fasttext", subwords=False)
    plain = w2v_hs.load_vectors(path)
    np.testing.assert_array_equal(plain.matrix, trained.vectors.matrix)
    with pytest.raises(UnknownWordError):
        plain["kingly"]
    trained.export(path, format="fasttext", top=3)
    few = w2v_hs.load_vectors(path)
    assert few.words == trained.vectors.words[:3]
    np.testing.assert_array_equal(few.matrix, trained.vectors.matrix[:3])
    np.testing.assert_array_equal(few["kingly"], trained.vectors["kingly"])
    with pytest.raises(OptionError, match="omit normalize"):
        trained.export(path, format="fasttext", normalize=True)


def test_gensim_reads_it(gensim, trained, tmp_path):
    from gensim.models.fasttext import load_facebook_vectors

    trained.export(tmp_path / "v.bin", format="fasttext")
    theirs = load_facebook_vectors(str(tmp_path / "v.bin"))
    assert theirs.index_to_key == trained.vectors.words
    for word in [*trained.vectors.words, "kingly", "queenly"]:
        if word in trained.vectors:  # gensim divides before it adds
            np.testing.assert_allclose(theirs[word], trained.vectors[word], rtol=1e-5, atol=1e-8)
        else:
            unit = theirs[word] / np.linalg.norm(theirs[word])
            ours = trained.vectors[word] / np.linalg.norm(trained.vectors[word])
            np.testing.assert_allclose(unit, ours, rtol=1e-4, atol=1e-6)


def test_files_of_gensim_in_fasttexts_format_are_read(gensim, tmp_path):
    from gensim.models.fasttext import FastText, save_facebook_model

    lines = [line.split() for line in TEXT.splitlines()] * 30
    theirs = FastText(lines, vector_size=8, min_count=1, bucket=300, epochs=1, workers=1, seed=1)
    save_facebook_model(theirs, str(tmp_path / "v.bin"))
    ours = w2v_hs.load_vectors(tmp_path / "v.bin")
    assert ours.words == theirs.wv.index_to_key
    for word in [*ours.words, "kingly"]:
        np.testing.assert_allclose(ours[word], theirs.wv[word], rtol=1e-4, atol=1e-7)


def with_ngrams(whole, shortest, longest):
    """A file of fastText with these lengths of n-grams in its options."""
    return whole[: 8 + 9 * 4] + struct.pack("<2i", shortest, longest) + whole[8 + 11 * 4 :]


@pytest.mark.parametrize("bounds", [(7, 3), (3, 0), (-1, -1)])
def test_a_file_of_fasttext_without_ngrams(bounds, trained, tmp_path):
    path = tmp_path / "v.bin"
    trained.export(path, format="fasttext")
    path.write_bytes(with_ngrams(path.read_bytes(), *bounds))
    own = trained.vectors.subwords.rows[: len(trained.vectors)]
    np.testing.assert_array_equal(w2v_hs.load_vectors(path).matrix, own)


def test_an_exported_file_knows_which_ngrams_were_seen(trained, tmp_path):
    trained.export(tmp_path / "v.bin", format="fasttext")
    vectors = w2v_hs.load_vectors(tmp_path / "v.bin")
    assert len(vectors.subwords.ngrams) == len(trained.ngrams)
    with pytest.raises(UnknownWordError, match="'xyz' is not among"):
        vectors["xyz"]


def by_word(parts):
    """[(rows, counts, shares)] of each word."""
    arrays = parts.rows, parts.counts, parts.shares
    return [[array[a:b] for array in arrays] for a, b in itertools.pairwise(parts.offsets)]


def test_rarer_rows_take_more_of_a_gradient():
    """By the definition, on words whose n-grams differ."""
    words, frequencies = ["abc", "abd", "xyz"], np.array([100.0, 10.0, 1.0])
    ngrams = choose_ngrams(words, frequencies, 2, 3, 10**6)
    whole = ngrams.parts(words)
    found = by_word(parts_to_train(whole, np.arange(len(words) + len(ngrams)), frequencies))
    for word, (rows, counts, shares) in enumerate(found):
        uses = np.array([sum(frequencies[i] for i in range(3) if row in found[i][0]) for row in rows])
        weights = uses**-0.25
        assert rows[0] == word and (counts == 1).all()
        np.testing.assert_allclose(shares, weights / weights.mean(), rtol=1e-5)


@given(
    st.lists(st.text("abé", min_size=1, max_size=7), min_size=1, max_size=12, unique=True),
    st.integers(1, 4),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_an_ngram_is_trained_as_the_longer_one_in_which_it_nearly_always_stands(words, low, more, random):
    frequencies = np.array([random.choice([0.5, 1, 3, 40]) for _ in words])
    ngrams = choose_ngrams(words, frequencies, low, low + more, 2**31 - 1)  # few share a bucket
    whole = ngrams.parts(words)
    roots = tied_rows(ngrams, words, whole, frequencies)
    expected = naive.tied_ngrams(words, frequencies, low, low + more, 0.8)
    names = {}
    for word, (rows, _, _) in zip(words, by_word(whole), strict=True):
        names |= dict(zip(rows.tolist(), [f"={word}", *naive.ngrams(word, low, low + more)], strict=True))
    assert (roots[: len(words)] == np.arange(len(words))).all()
    for row, name in names.items():
        if row >= len(words):
            assert names[int(roots[row])] in expected[name]

    # Tied rows of a word count as often as they were there; the vector moves by its whole change.
    found = by_word(parts_to_train(whole, roots, frequencies))
    for (rows, counts, shares), (before, _, _) in zip(found, by_word(whole), strict=True):
        assert dict(zip(rows.tolist(), counts.tolist(), strict=True)) == Counter(roots[before].tolist())
        assert counts @ shares == pytest.approx(len(before), rel=1e-5)


@pytest.mark.parametrize(("word", "buckets", "low"), [("cabbbc", 11, 1), ("acabbc", 7, 3)])
def test_ngrams_tied_in_circles_through_their_buckets_stay_apart(word, buckets, low):
    ngrams = choose_ngrams([word], np.ones(1), low, 6, buckets)
    roots = tied_rows(ngrams, [word], ngrams.parts([word]), np.ones(1))
    assert (roots[roots] == roots).all()


def test_tied_rows_stay_equal_where_training_goes_on(trained, text_file):
    """An n-gram that stands in one word only has the vector of the word's own row."""
    model = w2v_hs.train(text_file, dim=8, epochs=1, threads=1, subwords=(3, 4))
    for _ in range(2):
        words, rows, ngrams = model.vectors.words, model.vectors.subwords.rows, model.ngrams
        uses = Counter(bucket for word in words for bucket in {*naive.ngram_buckets(word, 3, 4, 2_000_000)})
        alone = 0
        for own, word in enumerate(words):
            buckets = [b for b in naive.ngram_buckets(word, 3, 4, 2_000_000) if uses[b] == 1]
            for place in ngrams.places(np.array(buckets, np.int32)):
                np.testing.assert_array_equal(rows[len(words) + place], rows[own])
                alone += 1
        assert alone > 10
        before = rows.copy()
        model.update(text_file, epochs=1, threads=1)
        assert (model.vectors.subwords.rows != before).any()


@pytest.mark.parametrize("name", ["range", "buckets", "rows"])
def test_damaged_ngrams_of_a_model_are_refused(name, trained, tmp_path):
    path, (arrays, description) = tmp_path / "m.safetensors", trained.parts()
    whole = arrays[f"subwords.{name}"]
    damages = [whole[:-1], whole.astype(np.float64), -1 - whole if name != "rows" else whole * np.nan]
    damages += [whole + 5000] if name == "buckets" else []
    for damaged in damages:
        save_arrays(path, arrays | {f"subwords.{name}": damaged}, description)
        for read in (w2v_hs.load, w2v_hs.load_vectors):
            with pytest.raises(FormatError, match=r"n-grams|subwords\.rows"):
                read(path)


def test_a_capital_of_a_test_set_is_one_of_a_lower_case_model(trained, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("KINGLY\tQueen\t9\nKINGLY\tcat\t2\nking\tqueen\t8\n")
    (found,) = w2v_hs.evaluate(trained, oov="subwords", analogies=(), similarity=pairs).similarity
    assert (found.used, found.from_subwords) == (3, 1)


def test_a_cluster_refuses_them(text_file):
    with pytest.raises(OptionError, match="subwords on a cluster: not supported"):
        check_options(w2v_hs.Options(subwords=(3, 6)))


def test_an_unpickled_model_can_be_updated(trained, text_file, tmp_path):
    (tmp_path / "m.pickle").write_bytes(pickle.dumps(trained))
    code = "import pickle, sys; m = pickle.load(open(sys.argv[1], 'rb')); m.update(sys.argv[2], threads=1)"
    subprocess.run([sys.executable, "-c", code, tmp_path / "m.pickle", text_file], check=True)


def test_damaged_files_of_fasttext_are_refused_in_one_line(trained, tmp_path):
    path = tmp_path / "v.bin"
    trained.export(path, format="fasttext", subwords=False)
    whole = path.read_bytes()
    damages = [whole[:end] for end in (5, 30, 60, 90, 200, len(whole) // 3)]
    damages += [struct.pack("<2i", 793712314, 11) + whole[8:]]
    damages += [with_ngrams(whole, 0, 101)]
    damages += [whole[:8] + struct.pack("<i", dim) + whole[12:] for dim in (0, -1, 10**6, 21)]
    damages += [whole[:40] + struct.pack("<i", buckets) + whole[44:] for buckets in (-5, 7, 2**31 - 1)]
    at = 8 + 56  # of the dictionary: entries, words, labels, tokens, pruned
    sizes = (2**31 - 1, 2**31 - 1, 0), (0, 0, 0), (18, 10, 8), (19, 19, 0)
    damages += [whole[:at] + struct.pack("<3i", *three) + whole[at + 12 :] for three in sizes]
    for damaged in damages:
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=r"v\.bin: ") as caught:
            w2v_hs.load_vectors(path)
        assert "\n" not in str(caught.value)
