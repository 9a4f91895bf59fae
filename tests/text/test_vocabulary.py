import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_hs.errors import FormatError, OptionError, VocabularyError
from w2v_hs.options import Options
from w2v_hs.text.vocabulary import Vocabulary, choose_words, load_vocabulary


def choose(words, counts, min_count=1, max_vocab=None):
    vocabulary, rows = choose_words(
        np.array(counts, np.int64), lambda n: [words[i] for i in n], min_count, max_vocab
    )
    for word, row in zip(words, rows, strict=True):
        assert vocabulary.index.get(word, -1) == row
    return vocabulary


def test_frequency_order_and_ties():
    v = choose(["b", "é", "a", "z", "rare"], [3, 3, 3, 9, 1], min_count=2)
    assert v.words == ["z", "a", "b", "é"]
    assert v.counts.dtype == np.int64 and v.counts.tolist() == [9, 3, 3, 3]


def test_max_vocab_keeps_the_most_frequent():
    v = choose(["a", "b", "c"], [1, 2, 3], min_count=1, max_vocab=2)
    assert v.words == ["c", "b"]
    with pytest.raises(VocabularyError, match="need at least 2 words"):
        choose(["a", "b", "c"], [1, 2, 9], min_count=3)


@given(st.lists(st.integers(1, 10**7), min_size=2, max_size=20), st.floats(1e-6, 1e-1))
def test_subsampling_is_word2vec_c_s(counts, sample):
    """keep = (sqrt(n / tN) + 1) * tN / n, at most 1."""
    counts = np.sort(counts)[::-1].astype(np.int64)
    v = Vocabulary([str(i) for i in range(len(counts))], counts)
    total = int(counts.sum())
    for keep, n in zip(v.keep_probabilities(sample), counts.tolist(), strict=True):
        ratio = n / (sample * total)
        assert keep == pytest.approx(min(1, (ratio**0.5 + 1) / ratio), rel=1e-6)
    assert np.all(v.keep_probabilities(0) == 1)


def test_counts_beyond_32_bits():
    v = choose(["a", "b"], [2**40, 2**41])
    assert v.tokens == 3 * 2**40


def test_saved_and_read_again(tmp_path):
    v = choose(["a", "été", "c"], [5, 2**40, 7])
    v.save(tmp_path / "v.txt")
    again = load_vocabulary(tmp_path / "v.txt")
    assert again.words == v.words and again.counts.tolist() == v.counts.tolist()


def test_a_vocabulary_that_may_be_cut_off_is_read_with_a_warning(tmp_path):
    for text in ("a 30\nb 12", "a 30\r\nb 12"):
        (tmp_path / "v.txt").write_text(text, newline="")
        with pytest.warns(UserWarning, match=r"v\.txt:2: no line end after 'b 12'; is the file whole\?$"):
            assert load_vocabulary(tmp_path / "v.txt").counts.tolist() == [30, 12]
        (tmp_path / "v.txt").write_text(text + "\n")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_vocabulary(tmp_path / "v.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a 3\nb\n", r"v\.txt:2: found 'b', expected 'word count'"),
        (b"a 3\nb x\n", r"v\.txt:2: found 'b x'"),
        (b"a 3\nb -1\n", r"v\.txt:2: found 'b -1'"),
        (b"a 3\nb 0\n", r"v\.txt:2: the count 0"),
        (b"a 3\nb 2\na 1\n", r"v\.txt:3: 'a' is already in line 1"),
        (b"a \xff\n", r"v\.txt:1: byte 2: not UTF-8"),
        (b"\xef\xbb\xbfa 1\nb \xff\n", r"v\.txt:2: byte 9: not UTF-8"),
        (b"a 2\nb " + b"9" * 5000, r"v\.txt:2: the count 9{60}… is not in"),
        (b"a 2\nb\0 1\n", r"v\.txt:2: the word 'b\\x00' holds a NUL"),
        (b"a %d\nb 1\n" % (2**62 - 1), r"v\.txt: the counts add up to 4611686018427387904"),
        ((b"x" * 9999 + b" 1\n") * 2, r"v\.txt:2: 'x{60}…' is already in line 1"),
        (b"a 99999999999999999999\nb 1\n", r"v\.txt:1: the count"),
    ],
)
def test_damaged_vocabulary_files(tmp_path, text, message):
    (tmp_path / "v.txt").write_bytes(text)
    with pytest.raises(FormatError, match=message):
        load_vocabulary(tmp_path / "v.txt")
    (tmp_path / "one.txt").write_text("a 3\n")
    with pytest.raises(VocabularyError, match="need at least 2 words, found 1"):
        load_vocabulary(tmp_path / "one.txt")
    with pytest.raises(FormatError, match=r"none\.txt: cannot be read"):
        load_vocabulary(tmp_path / "none.txt")


def test_counts_that_just_fit(tmp_path):
    (tmp_path / "v.txt").write_text(f"a {2**61}\nb {2**61 - 1}\n")
    assert load_vocabulary(tmp_path / "v.txt").tokens == 2**62 - 1


def test_huge_words_make_no_huge_message():
    for counts in ([1, 1], [9, 1]):
        with pytest.raises(VocabularyError) as caught:
            choose(["x" * 1_000_000, "y"], counts, min_count=5)
        assert len(str(caught.value)) < 250 and "'xxx" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"dim": np.int64(7), "seed": np.uint64(2**63 - 1)}, {"dim": 7, "seed": 2**63 - 1}),
        ({"lr": np.float32(0.5), "sample": np.float64(0.25)}, {"lr": 0.5, "sample": 0.25}),
        ({"arch": np.str_("cbow"), "sample": 0}, {"arch": "cbow", "sample": 0.0}),
    ],
)
def test_options_of_numpy_become_plain(given, plain):
    options = Options(**given).as_dict()
    for name, value in plain.items():
        assert options[name] == value and type(options[name]) is type(value)


@pytest.mark.parametrize(
    "given",
    [
        {"dim": np.float64(2.0)},
        {"dim": np.bool_(True)},
        {"dim": 10**5000},
        {"lr": 10**400},
        {"lr": 1e-40},
        {"lr": np.bool_(True)},
        {"lr": "0.1"},
        {"arch": ["skipgram"]},
        {"loss": np.zeros((99, 99))},
        {"tree": None},
    ],
)
def test_options_that_are_refused(given):
    with pytest.raises(OptionError, match=f"^{next(iter(given))}=.*: expected") as caught:
        Options(**given)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("word", ["new york", "b\ud800"])
def test_a_word_with_a_space_or_a_lone_surrogate_is_not_written(tmp_path, word):
    (tmp_path / "v.txt").write_text("old")
    with pytest.raises(FormatError, match=r"the word .* holds white space, or is not text"):
        Vocabulary(["a", word], np.array([2, 1])).save(tmp_path / "v.txt")
    assert (tmp_path / "v.txt").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "v.txt"]


def test_what_it_is_in_one_line():
    words = [f"w{i}" for i in range(10_000)]
    assert repr(Vocabulary(words, np.full(10_000, 2))) == "Vocabulary(10,000 words, 20,000 tokens)"
