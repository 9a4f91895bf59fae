"""User-supplied trees: files of codes and nested lists, and each way they can be wrong."""

import numpy as np
import pytest
from conftest import TEXT
from hypothesis import given
from hypothesis import strategies as st

import w2v_hs
from w2v_hs.errors import FormatError, OptionError
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.tree.tree import balanced, huffman
from w2v_hs.tree.user_trees import nested_codes, read_codes, save_codes, tree_from_codes

WORDS = ["the", "and", "paris", "rome", "tea"]
CODES = ["0", "10", "110", "1110", "1111"]


def vocabulary(words=WORDS):
    return Vocabulary(list(words), np.arange(len(words), 0, -1))


def written(path, words=WORDS, codes=CODES):
    path.write_text("".join(f"{w} {c}\n" for w, c in zip(words, codes, strict=True)))
    return path


def read(path, words=WORDS):
    return tree_from_codes(read_codes(path), vocabulary(words))


def test_a_file_is_the_tree_it_says(tmp_path):
    tree = read(written(tmp_path / "t.txt", WORDS[::-1], CODES[::-1]))
    assert [tree.code(word) for word in range(5)] == CODES
    tree.children()


@given(
    counts=st.lists(st.integers(1, 1000), min_size=2, max_size=60),
    build=st.sampled_from([huffman, balanced]),
    seed=st.integers(0, 2**32),
)
def test_written_and_read_again(tmp_path_factory, counts, build, seed):
    counts = np.sort(np.array(counts))[::-1]
    generator = np.random.default_rng(seed)
    tree = build(counts) if seed % 2 else balanced(counts, generator.permutation(len(counts)))
    words = [f"w{i}" for i in range(len(counts))]
    path = tmp_path_factory.mktemp("codes") / "t.txt"
    save_codes(path, tree, words)
    again = tree_from_codes(read_codes(path), Vocabulary(words, counts))
    for a, b in ((tree.offsets, again.offsets), (tree.bits, again.bits)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("words", "codes", "message"),
    [
        (
            WORDS[:4],
            ["0", "10", "110", "111"],
            "1 of the 5 words of the vocabulary are missing, the first of them 'tea'",
        ),
        ([*WORDS, "zebra"], [*CODES[:4], "11110", "11111"], "'zebra' is not among the 5 words"),
        ([*WORDS, "paris"], [*CODES, "111"], ":6: 'paris' stands in line 3 already"),
        (
            WORDS,
            ["0", "10", "110", "1110", "11101"],
            "'rome' has the code 1110, with which that of 'tea' begins, 11101",
        ),
        (
            WORDS,
            ["0", "10", "110", "111", "111"],
            "'rome' has the code 111, with which that of 'tea' begins, 111",
        ),
        (WORDS, ["0", "10", "110", "1110", "11111"], "the inner node 1111 above 'tea' has one child"),
        (
            WORDS,
            ["00", "010", "0110", "01110", "01111"],
            "the inner node at the root above 'tea' has one child",
        ),
        (WORDS, ["01", "10", "110", "1110", "1111"], "the inner node 0 above 'the' has one child"),
        (WORDS, ["0", "100", "110", "1110", "1111"], "the inner node 10 above 'and' has one child"),
        (WORDS, ["0", "10", "110", "1110", "2"], ":5: found 'tea 2', expected 'word bits'"),
        (WORDS, ["0", "10", "110", "1110", ""], ":5: found 'tea ', expected 'word bits'"),
    ],
)
def test_what_is_no_tree_is_named_in_one_line(tmp_path, words, codes, message):
    with pytest.raises(FormatError) as error:
        read(written(tmp_path / "t.txt", words, codes))
    assert message in str(error.value) and "t.txt" in str(error.value)
    assert "\n" not in str(error.value)


@given(data=st.data(), size=st.integers(2, 40), seed=st.integers(0, 2**32))
def test_any_change_of_a_code_is_seen(tmp_path_factory, data, size, seed):
    tree = balanced(np.ones(size, np.int64), np.random.default_rng(seed).permutation(size))
    codes = [tree.code(word) for word in range(size)]
    place = data.draw(st.integers(0, size - 1))
    codes[place] = data.draw(st.text("01", min_size=1, max_size=8).filter(lambda code: code != codes[place]))
    words = [f"w{i}" for i in range(size)]
    path = written(tmp_path_factory.mktemp("codes") / "t.txt", words, codes)
    with pytest.raises(FormatError, match=r"one child|may begin another"):
        tree_from_codes(read_codes(path), vocabulary(words))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FormatError, match="cannot be read"):
        read_codes(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(b"a 0\n\xe9 1\n")
    with pytest.raises(FormatError, match=r":2: byte 4: not UTF-8"):
        read_codes(tmp_path / "latin.txt")


# ---- nested lists -------------------------------------------------------------------------------


def nested_tree(nested):
    words = vocabulary()
    counts = dict(zip(words.words, words.counts.tolist(), strict=True))
    tree = tree_from_codes(nested_codes(nested, counts), words)
    return [tree.code(word) for word in range(5)]


def test_pairs_are_branches():
    assert nested_tree(("the", ["and", ("paris", ["rome", "tea"])])) == CODES


def test_larger_groups_become_huffman_trees():
    """All five in one list: the tree that Huffman builds of their counts 5, 4, 3, 2, 1."""
    found = nested_tree([*WORDS])
    assert sorted(map(len, found)) == [2, 2, 2, 3, 3]
    groups = nested_tree({"words": ["the", "and"], "cities": ("paris", "rome"), "drinks": "tea"})
    assert groups[0][:-1] == groups[1][:-1] and groups[2][:-1] == groups[3][:-1]


@pytest.mark.parametrize(
    ("nested", "message"),
    [
        (["the", ["and"]], "one child, 'and'"),
        (["the", []], "with none"),
        (["the", ["the", "and"]], "'the' twice"),
        (["the", 7.5], r"holds 7\.5"),
        (["the", "and"], "3 of the 5 words"),
    ],
)
def test_nested_lists_that_are_no_tree(nested, message):
    with pytest.raises(FormatError, match=message):
        nested_tree(nested)


def test_a_list_within_itself():
    loop = ["the"]
    loop.append(loop)
    with pytest.raises(FormatError, match="within itself"):
        nested_tree(loop)


def test_a_comb_of_many_levels():
    words = [f"w{i}" for i in range(3000)]
    comb = words[0]
    for word in words[1:]:
        comb = [comb, word]
    tree = tree_from_codes(nested_codes(comb, {}), vocabulary(words))
    assert tree.lengths.max() == 2999


# ---- training on them ---------------------------------------------------------------------------


def test_training_on_a_given_tree(tmp_path, run, fails):
    text = tmp_path / "text.txt"
    text.write_text(TEXT * 50)
    options = ("--dim", "8", "--epochs", "2", "--sample", "0")
    model, codes = tmp_path / "m.safetensors", tmp_path / "tree.txt"
    alphabetical = ("--tree", "balanced", "--tree-order", "alphabetical")
    assert run("train", text, "-o", model, *alphabetical, *options).returncode == 0
    assert b"18 words" in run("tree", "export", model, codes).stderr
    again = tmp_path / "again.safetensors"
    assert run("train", text, "-o", again, "--tree", codes, *options).returncode == 0
    first, second = w2v_hs.load(model), w2v_hs.load(again)
    np.testing.assert_array_equal(first.tree.offsets, second.tree.offsets)
    np.testing.assert_array_equal(first.tree.bits, second.tree.bits)
    by_word = sorted(first.vocabulary.words)
    code_of = {w: first.tree.code(i) for i, w in enumerate(first.vocabulary.words)}
    assert [code_of[w] for w in by_word] == sorted(code_of.values())  # alphabetical
    codes.write_text("\n".join(codes.read_text().splitlines()[1:]))
    message = fails("train", text, "-o", again, "--tree", codes, *options)
    assert "tree.txt: 1 of the 18 words of the vocabulary are missing, the first of them" in message
    assert "there is no such file" in fails("train", text, "-o", again, "--tree", "hufman")
    assert "only a balanced tree" in fails("train", text, "-o", again, "--tree-order", "random")
    assert "not UTF-8" in fails("train", text, "-o", again, "--tree", model)


def test_from_python(tmp_path):
    text = [line.split() for line in TEXT.splitlines() * 20]
    words = sorted({word for line in text for word in line})
    nested = [words[:9], words[9:12], words[12:]]
    model = w2v_hs.train(text, tree=nested, dim=8, epochs=2, sample=0)
    assert model.options.tree == "given"
    codes = {word: model.tree.code(model.vectors.row(word)) for word in words}
    groups = [{codes[w] for w in group} for group in nested]
    for group in groups:  # each is one part of the tree
        stem = min(group, key=len)
        while any(not code.startswith(stem) for code in group):
            stem = stem[:-1]
        others = set().union(*(other for other in groups if other is not group))
        assert not any(code.startswith(stem) for code in others)
    with pytest.raises(OptionError, match="full softmax has none"):
        w2v_hs.train(text, tree=nested, loss="softmax", dim=8)
    with pytest.raises(OptionError, match="expected one of learned, huffman, balanced"):
        w2v_hs.train(text, tree="given", dim=8)
