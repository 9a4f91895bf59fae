"""Tokens that are ints, such as the nodes of a graph or the items of a shop."""

import warnings

import numpy as np
import pytest

import w2v_hs
from w2v_hs.errors import FormatError, VocabularyError
from w2v_hs.files.container import load_arrays, save_arrays

WALKS = [[40, 41, 42, 7], [7, 8, 9, 40], [8, 9, 1000000007, 41]] * 60
OPTIONS = {"dim": 8, "epochs": 2, "sample": 0, "threads": 1}


@pytest.fixture(scope="module")
def numbers():
    return w2v_hs.train(WALKS, **OPTIONS)


def test_they_train_as_their_digits_do_and_come_back_as_ints(numbers):
    digits = w2v_hs.train([list(map(str, walk)) for walk in WALKS], **OPTIONS)
    assert numbers.vectors.matrix.tobytes() == digits.vectors.matrix.tobytes()
    assert numbers.vectors.words == list(map(int, digits.vectors.words))
    assert all(type(word) is int for word in numbers.vectors.words)
    assert [type(word) for word, _ in numbers.vectors.most_similar(40, k=3)] == [int] * 3
    assert all(type(word) is int for word in numbers.top_k(40, k=3).words + numbers.sample([40, 7], 3))
    assert numbers.log_prob(40, 41) == numbers.log_prob("40", "41") == digits.log_prob("40", "41")
    assert numbers.score([[40, 41, 7]]) == digits.score(["40 41 7"])
    assert digits.vectors.most_similar(40)[0][0] == str(numbers.vectors.most_similar(40)[0][0])


def test_numpy_has_ints_of_its_own(numbers):
    again = w2v_hs.train(np.array(WALKS[:2] * 60 + WALKS * 20)[:180], **OPTIONS)
    assert all(type(word) is int for word in again.vectors.words)
    np.testing.assert_array_equal(numbers.vectors[np.int64(40)], numbers.vectors[40])
    eight = [40, 41, 42, 7, 40, 41, 42, 8]  # as many as a vector has numbers
    assert numbers.vectors.most_similar(np.array(eight)) == numbers.vectors.most_similar(eight)
    with pytest.raises(w2v_hs.W2VError, match="expected a word"):
        numbers.vectors.most_similar(np.array([True, False]))


def test_an_int_and_its_digits_are_one_word_and_a_corpus_has_but_one_of_them(numbers):
    np.testing.assert_array_equal(numbers.vectors["40"], numbers.vectors[40])
    assert 40 in numbers.vectors and "40" in numbers.vectors and 5 not in numbers.vectors
    assert "040" not in numbers.vectors
    with pytest.raises(KeyError, match=r"^5 is not among the 7 words$"):
        numbers.vectors.most_similar(5)
    with pytest.raises(TypeError, match="token 40 as an int and as a str"):
        w2v_hs.train([[40, "40"]] * 9)
    with pytest.raises(ValueError, match="a word occurs twice"):
        w2v_hs.Vectors([40, "40"], np.ones((2, 3)))
    for token in (True, 1.0, None):
        with pytest.raises(TypeError, match=r"corpus\[0\] holds the token .*, or an int"):
            w2v_hs.train([[token, "b"]] * 9)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*punctuation")  # by which 1 and -1 do not differ
        mixed = w2v_hs.train([[1, "user", -1]] * 9, **OPTIONS)
    assert set(mixed.vectors.words) == {1, "user", -1}


def test_a_model_file_keeps_them_and_files_of_other_formats_hold_their_digits(numbers, run, tmp_path):
    numbers.save(tmp_path / "m.safetensors")
    loaded = w2v_hs.load(tmp_path / "m.safetensors")
    assert loaded.vectors.words == numbers.vectors.words
    assert loaded.vocabulary.words == list(map(str, numbers.vectors.words))
    numbers.export(tmp_path / "v.safetensors")
    assert w2v_hs.load_vectors(tmp_path / "v.safetensors").words == numbers.vectors.words
    for name in ("v.txt", "v.bin", "v.npz", "v.parquet"):
        numbers.export(tmp_path / name)
        vectors = w2v_hs.load_vectors(tmp_path / name)
        assert vectors.words == list(map(str, numbers.vectors.words))
        np.testing.assert_array_equal(vectors[40], numbers.vectors[40])
    assert run("neighbors", tmp_path / "m.safetensors", "40", "--json").returncode == 0
    assert list(numbers.vectors.to_gensim().key_to_index) == list(map(str, numbers.vectors.words))


@pytest.mark.parametrize("damage", [lambda a: a[:1], lambda a: a.astype(np.int32)], ids=["shape", "dtype"])
def test_a_file_that_says_nonsense_of_its_ints_is_refused(numbers, tmp_path, damage):
    numbers.save(tmp_path / "m.safetensors")
    arrays, description = load_arrays(tmp_path / "m.safetensors")
    save_arrays(
        tmp_path / "a.safetensors", arrays | {"words.integers": damage(arrays["words.integers"])}, description
    )
    with pytest.raises(FormatError, match=r"words\.integers does not say"):
        w2v_hs.load(tmp_path / "a.safetensors")
    text = np.frombuffer(arrays["words.bytes"].tobytes().replace(b"1", b"x"), np.uint8)
    save_arrays(tmp_path / "b.safetensors", arrays | {"words.bytes": text}, description)
    with pytest.raises(FormatError, match="'4x' is said to be an int"):
        w2v_hs.load_vectors(tmp_path / "b.safetensors")


def test_models_of_ints_grow_and_take_trees_of_ints(tmp_path):
    model = w2v_hs.train(WALKS, **OPTIONS, tree=[[[40, 41], [42, 7]], [[8, 9], 1000000007]])
    assert model.tree.code(model.vectors.row(40)) == "000"
    model.add_words({55: 3, "new": 2})
    assert model.vectors.words[-2:] == [55, "new"]
    (tmp_path / "more.txt").write_text("40 66 41\n" * 9)
    model.update(tmp_path / "more.txt")  # a file holds str, and known words stay as they are
    assert {40, 41, "66"} <= set(model.vectors.words) and "40" not in model.vectors.words
    model.update([[40, 77, 66]] * 9)
    assert {40, 77, "66"} <= set(model.vectors.words)
    with pytest.raises(VocabularyError, match="expected a word"):
        model.add_words({1.5: 3})


def test_a_min_count_of_0_is_one_of_1():
    text = [[1, 2], [1, 3]]
    assert w2v_hs.train(text, **OPTIONS, min_count=0).options.min_count == 1


@pytest.mark.parametrize("wrong", [2**64, -(2**63) - 1, 10**5000], ids=["above", "below", "far above"])
def test_ints_have_64_bits(wrong):
    with pytest.raises(TypeError, match="more than 64 bits"):
        w2v_hs.train([[1, 2, wrong]] * 20, sample=0)
