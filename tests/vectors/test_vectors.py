"""Look-up, neighbours and analogies, against plain float64 NumPy and against gensim."""

import tracemalloc

import numpy as np
import pytest

from w2v_hs.errors import OptionError, UnknownWordError, W2VError
from w2v_hs.vectors.vectors import BLOCK_VALUES, Vectors

V, DIM = 1000, 12  # NumPy sorts all of a small array where it need only partition it
WORDS = [f"word{row}" for row in range(V)]


@pytest.fixture
def matrix() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((V, DIM)).astype(np.float32)


def naive_unit(matrix: np.ndarray) -> np.ndarray:
    matrix = matrix.astype(np.float64)
    return matrix / np.sqrt((matrix**2).sum(axis=1))[:, None]


def naive_nearest(matrix: np.ndarray, query: np.ndarray, k: int, without: list[int]):
    """(word, cosine) of the `k` nearest, by sorting all cosines."""
    cosines = naive_unit(matrix) @ (query / np.sqrt((query**2).sum()))
    order = [row for row in np.argsort(-cosines, kind="stable") if row not in without]
    return [(WORDS[row], cosines[row]) for row in order[:k]]


def assert_same_ranking(found, expected):
    assert [word for word, _ in found] == [word for word, _ in expected]
    np.testing.assert_allclose([c for _, c in found], [c for _, c in expected], atol=1e-6)


def test_look_up(matrix):
    vectors = Vectors(WORDS, matrix)
    assert len(vectors) == V
    assert vectors.dim == DIM
    assert vectors.words == WORDS
    assert vectors.index["word7"] == 7
    assert "word7" in vectors
    assert "Word7" not in vectors
    assert vectors["word7"].dtype == np.float32
    np.testing.assert_array_equal(vectors["word7"], matrix[7])


def test_a_vector_that_was_looked_up_is_a_copy(matrix):
    vectors = Vectors(WORDS, matrix)
    before = matrix.copy()
    vectors["word7"][:] = 0
    np.testing.assert_array_equal(vectors.matrix, before)


def test_an_unknown_word_gets_suggestions(matrix):
    with pytest.raises(UnknownWordError, match=r"'wrd7' is not among the 1,000 words.*'word7'"):
        Vectors(WORDS, matrix)["wrd7"]
    with pytest.raises(UnknownWordError, match=r"'Ω' is not among the 1,000 words$"):
        Vectors(WORDS, matrix)["Ω"]


@pytest.mark.parametrize("k", [1, 5, V - 1])
def test_most_similar_to_a_word_agrees_with_sorting_all_cosines(matrix, k):
    found = Vectors(WORDS, matrix).most_similar("word3", k=k)
    assert_same_ranking(found, naive_nearest(matrix, matrix[3].astype(np.float64), k, [3]))


def test_most_similar_gives_all_there_are_when_k_is_larger(matrix):
    assert len(Vectors(WORDS, matrix).most_similar("word3", k=V + 10)) == V - 1
    assert Vectors(["alone"], matrix[:1]).most_similar("alone") == []


def test_most_similar_to_a_vector_leaves_out_only_what_is_excluded(matrix):
    vectors = Vectors(WORDS, matrix)
    query = matrix[3].astype(np.float64)
    assert_same_ranking(vectors.most_similar(matrix[3]), naive_nearest(matrix, query, 10, []))
    without = naive_nearest(matrix, query, 2, [])
    found = vectors.most_similar(matrix[3], exclude=[word for word, _ in without])
    assert_same_ranking(found, naive_nearest(matrix, query, 12, [])[2:])


def test_several_words_stand_for_the_sum_of_their_unit_rows(matrix):
    vectors = Vectors(WORDS, matrix)
    units = matrix.astype(np.float64) / np.linalg.norm(matrix.astype(np.float64), axis=1, keepdims=True)
    expected = naive_nearest(matrix, units[1] + units[2], 10, [1, 2])
    assert_same_ranking(vectors.most_similar(["word1", "word2"]), expected)
    assert_same_ranking(vectors.most_similar(positive=("word1", "word2")), expected)
    assert_same_ranking(vectors.most_similar("word1", positive="word2"), expected)
    analogy = vectors.analogy("word1", "word2", "word3")
    assert vectors.most_similar(positive=["word2", "word3"], negative=["word1"]) == analogy
    assert vectors.most_similar(["word2", "word3"], negative="word1") == analogy
    assert_same_ranking(vectors.most_similar(matrix[3].tolist()), vectors.most_similar(matrix[3]))
    for nothing in ({}, {"query": []}, {"positive": []}):
        with pytest.raises(OptionError, match="give a word, several words or a vector"):
            vectors.most_similar(**nothing)
    with pytest.raises(UnknownWordError, match="'nowhere'"):
        vectors.most_similar(["word1", "nowhere"])


def test_similarity_agrees_with_the_definition(matrix):
    unit = naive_unit(matrix)
    vectors = Vectors(WORDS, matrix)
    assert vectors.similarity("word1", "word2") == pytest.approx(unit[1] @ unit[2], abs=1e-12)
    assert vectors.similarity("word1", "word1") == pytest.approx(1)


def test_analogy_is_b_minus_a_plus_c_of_unit_rows(matrix):
    matrix *= np.random.default_rng(2).uniform(0.1, 9, (V, 1)).astype(np.float32)  # norms matter
    unit = naive_unit(matrix)
    found = Vectors(WORDS, matrix).analogy("word1", "word2", "word3", k=V)
    assert_same_ranking(found, naive_nearest(matrix, unit[2] - unit[1] + unit[3], V, [1, 2, 3]))


def test_analogy_in_a_world_made_for_it():
    king, man, woman, queen = [1, 0, 1], [1, 0, 0], [0, 1, 0], [0, 1, 1]
    vectors = Vectors(["man", "king", "woman", "queen"], np.array([man, king, woman, queen]))
    assert vectors.analogy("man", "king", "woman", k=1)[0][0] == "queen"


def test_the_same_answers_as_gensim(gensim, matrix):
    vectors = Vectors(WORDS, matrix)
    keyed = vectors.to_gensim()
    assert keyed.index_to_key == WORDS
    assert keyed.vectors.dtype == np.float32
    np.testing.assert_array_equal(keyed.vectors, matrix)
    assert_same_ranking(vectors.most_similar("word5"), keyed.most_similar("word5"))
    assert_same_ranking(
        vectors.analogy("word1", "word2", "word3"),
        keyed.most_similar(positive=["word2", "word3"], negative=["word1"]),
    )


def test_gensim_gets_a_copy(matrix):
    vectors = Vectors(WORDS, matrix)
    vectors.to_gensim().vectors[:] = 0
    assert vectors.matrix.any()


def test_a_view_with_padded_rows_gives_the_same_as_a_whole_matrix(matrix):
    padded = np.full((V, 16), np.nan, dtype=np.float32)
    padded[:, :DIM] = matrix
    view, whole = Vectors(WORDS, padded[:, :DIM]), Vectors(WORDS, matrix)
    assert np.shares_memory(view.matrix, padded)
    assert_same_ranking(view.most_similar("word3"), whole.most_similar("word3"))
    assert_same_ranking(view.analogy("word1", "word2", "word3"), whole.analogy("word1", "word2", "word3"))
    assert view.similarity("word1", "word2") == whole.similarity("word1", "word2")
    np.testing.assert_array_equal(view.to_gensim().vectors, matrix)


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_rows_without_a_direction_are_no_neighbours(matrix, value):
    matrix[4] = value
    vectors = Vectors(WORDS, matrix)
    found = vectors.most_similar("word3", k=V)
    assert len(found) == V - 2
    assert "word4" not in dict(found)
    assert np.isfinite([cosine for _, cosine in found]).all()
    assert vectors.similarity("word3", "word4") == 0
    assert vectors.most_similar("word4") == []
    assert np.isfinite([c for _, c in vectors.analogy("word4", "word1", "word2", k=V)]).all()


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e30])
def test_norms_outside_the_range_of_squared_float32(matrix, scale):
    matrix[3] = (np.sign(matrix[3]) * scale).astype(np.float32)
    vectors, unit = Vectors(WORDS, matrix), naive_unit(matrix)
    assert vectors.similarity("word3", "word4") == pytest.approx(unit[3] @ unit[4], abs=1e-6)
    found = vectors.most_similar("word3")
    assert_same_ranking(found, naive_nearest(matrix, unit[3], 10, [3]))


def test_rows_near_the_limits_of_float32_have_cosines_like_any_other():
    for scale in (1e38, 1e-44):
        matrix = np.array([[3, 3], [1, 3], [2, 1]], np.float32) * np.float32(scale)
        matrix = np.vstack([matrix, [[1, 2]]]).astype(np.float32)
        found = Vectors(["a", "b", "d", "c"], matrix).most_similar("c")
        expected = naive_unit(matrix) @ naive_unit(matrix)[3]
        assert [word for word, _ in found] == ["b", "a", "d"]
        np.testing.assert_allclose([c for _, c in found], expected[[1, 0, 2]], atol=1e-6)


def test_many_rows_near_the_limits_of_float32_in_blocks():
    """Two thirds of the rows, more than fit into one block, are outside the limits."""
    rows, dim = 9_000, 300
    assert rows * 2 // 3 * dim > BLOCK_VALUES
    words = [f"word{row}" for row in range(rows)]
    matrix = np.random.default_rng(1).standard_normal((rows, dim)).astype(np.float32)
    expected = Vectors(words, matrix).most_similar("word3", k=100)
    scales = np.resize(np.float32([1, 1e37, 1e-37]), (rows, 1))
    assert_same_ranking(Vectors(words, matrix * scales).most_similar("word3", k=100), expected)


@pytest.mark.parametrize("scale", [1e300, 1e-300, 5e-324])
def test_the_length_of_a_query_does_not_matter(matrix, scale):
    vectors = Vectors(WORDS, matrix)
    expected = vectors.most_similar(np.ones(DIM))
    assert len(expected) == 10
    assert vectors.most_similar(np.full(DIM, scale)) == expected


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_a_query_without_a_direction_has_no_neighbours(matrix, value):
    assert Vectors(WORDS, matrix).most_similar(np.full(DIM, value, float)) == []
    assert Vectors(WORDS, matrix[:, :0]).most_similar("word3") == []


@pytest.mark.parametrize("k", [2.5, 3.0, "3", None, True, np.True_, -1, 0, np.int64(0)])
def test_k_is_a_whole_number_of_at_least_one(matrix, k):
    vectors = Vectors(WORDS, matrix)
    for ask in (lambda: vectors.most_similar("word3", k), lambda: vectors.analogy(*WORDS[:3], k)):
        with pytest.raises(OptionError, match=r"k=.*: expected a whole number of at least 1"):
            ask()


def test_k_may_be_an_integer_of_numpy(matrix):
    assert len(Vectors(WORDS, matrix).most_similar("word3", np.uint8(3))) == 3


@pytest.mark.parametrize("word", [3.0, [None], b"king", [["king"]], ["king", None], ..., True], ids=str)
def test_what_is_no_word_is_told_in_one_line(model, word):
    vectors = model.vectors
    for ask in (
        vectors.most_similar,
        lambda word: vectors.most_similar("king", exclude=word),
        lambda word: vectors.most_similar(positive=word),
        lambda word: vectors.similarity("king", word),
        lambda word: vectors.analogy("king", word, "queen"),
        vectors.__getitem__,
        lambda word: model.log_prob("king", word),
        model.distribution,
    ):
        with pytest.raises(W2VError, match=r"^.* is of type \w+; expected a word") as caught:
            ask(word)
        assert isinstance(caught.value, TypeError) and "\n" not in str(caught.value)
    assert word not in vectors


def test_words_are_str_or_int(matrix):
    for words, found in (([1.5, 2], r"row 0 is 1\.5, float"), (["a", b"b"], "row 1 is b'b', bytes")):
        with pytest.raises(TypeError, match=f"the word of {found}; expected a str or an int"):
            Vectors(words, matrix[:2])


def test_arguments_that_make_no_sense(matrix):
    vectors = Vectors(WORDS, matrix)
    with pytest.raises(OptionError, match="k=0: expected"):
        vectors.most_similar("word3", k=0)
    with pytest.raises(ValueError, match=r"shape \(3,\); expected \(12,\)"):
        vectors.most_similar(np.ones(3))
    with pytest.raises(UnknownWordError, match="'nowhere'"):
        vectors.most_similar("word3", exclude=["nowhere"])
    with pytest.raises(ValueError, match=r"shape \(1000, 12\); expected \(999, dim\)"):
        Vectors(WORDS[1:], matrix)
    with pytest.raises(ValueError, match="twice"):
        Vectors(["a", "a"], matrix[:2])


def test_a_word_in_capitals_is_found_in_lower_case():
    vectors = Vectors(["paris", "aris", "london"], np.eye(3, dtype=np.float32))
    for word, hint in (
        ("Paris", "but 'paris' is"),
        ("PARIS", "but 'paris' is"),
        ("Pariss", "close to it: 'paris'"),
    ):
        with pytest.raises(UnknownWordError, match=hint):
            vectors.row(word)


def test_the_search_for_words_that_occur_twice_takes_little_memory():
    """Millions of words in a set would raise the peak of a run."""
    words = [f"word{row}" for row in range(100_000)]
    matrix = np.zeros((len(words), 1), np.float32)
    tracemalloc.start()
    try:
        Vectors(words, matrix)
        assert tracemalloc.get_traced_memory()[1] < 20 * len(words)
    finally:
        tracemalloc.stop()
    with pytest.raises(ValueError, match="a word occurs twice"):
        Vectors([*words[:-1], "word7"], matrix)
