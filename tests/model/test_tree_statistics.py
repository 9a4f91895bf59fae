"""`tree stats`, `tree compare`, `tree show`: what is said of a tree is so."""

import json

import numpy as np
import pytest
from conftest import TEXT

import w2v_hs
from w2v_hs.errors import OptionError, W2VError
from w2v_hs.model.tree_statistics import anatomy, neighbourhood
from w2v_hs.tree.user_trees import nested_codes


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trees")
    text = folder / "text.txt"
    text.write_text(TEXT * 60)
    for tree in ("huffman", "learned"):
        model = w2v_hs.train(text, tree=tree, dim=12, epochs=4, sample=0, threads=1)
        model.save(folder / f"{tree}.safetensors")
    return folder


@pytest.mark.parametrize("kind", ["huffman", "learned"])
def test_figures(files, kind):
    model = w2v_hs.load(files / f"{kind}.safetensors")
    found, counts = anatomy(model, levels=3), model.vocabulary.counts
    p = counts / counts.sum()
    assert found.entropy == pytest.approx(-(p * np.log2(p)).sum())
    assert found.expected_length == pytest.approx(
        sum(share * depth for depth, share in enumerate(found.mass_by_depth))
    )
    assert found.gap == found.expected_length - found.entropy >= 0
    assert sum(found.mass_by_depth) == pytest.approx(1) and sum(found.words_by_depth) == 18
    codes = {w: model.tree.code(i) for i, w in enumerate(model.vocabulary.words)}
    assert len(codes[found.deepest_word]) == found.deepest_leaf == max(map(len, codes.values()))
    assert found.splits[0].code == "" and len(found.splits) >= 3
    for split in found.splits:
        for side, bit in ((split.left, "0"), (split.right, "1")):
            below = [w for w, code in codes.items() if code.startswith(split.code + bit)]
            assert side.words == len(below)
            assert side.mass == pytest.approx(sum(p[model.vectors.row(w)] for w in below))
            assert side.frequent == below[:6]  # the vocabulary begins with the most frequent
            assert set(side.typical) <= set(below)


@pytest.mark.parametrize("k", [2, 3, 7, 18, 500])
def test_the_neighbourhood_is_the_part_of_the_tree(files, k):
    model = w2v_hs.load(files / "learned.safetensors")
    codes = {w: model.tree.code(i) for i, w in enumerate(model.vocabulary.words)}
    for word in ("king", "the", "paris"):
        code, part = neighbourhood(model, word, k)
        below = {w: c.removeprefix(code) for w, c in codes.items() if c.startswith(code)}
        given = nested_codes(part, {})
        assert dict(zip(given.words, given.codes, strict=True)) == below and word in below
        assert len(below) <= k or len(code) == len(codes[word]) - 1
        if code:  # one level up there are more than k
            assert sum(c.startswith(code[:-1]) for c in codes.values()) > k


def test_commands(files, run, fails):
    one, two = files / "huffman.safetensors", files / "learned.safetensors"
    text = files / "text.txt"
    shown = run("tree", "stats", one, "--text", text).stdout.decode()
    for part in (
        "huffman tree",
        "expected length",
        "gap",
        "Mass by depth",
        "First splits",
        "root",
        "nats per prediction",
    ):
        assert part in shown
    facts = json.loads(run("tree", "stats", two, "--json", "--text", text).stdout)
    assert facts["nats"] == w2v_hs.load(two).perplexity(text).nats
    shown = run("tree", "compare", one, two, "--text", text).stdout.decode()
    assert f"{facts['nats']:.4f}" in shown and f"{facts['expected_length']:.4f}" in shown
    both = json.loads(run("tree", "compare", one, two, "--json").stdout)
    assert [facts["kind"] for facts in both] == ["huffman", "learned"]
    shown = run("tree", "show", two, "king", "-k", "4").stdout.decode()
    assert "king ◀" in shown
    found = json.loads(run("tree", "show", two, "king", "-k", "4", "--json").stdout)
    assert (found["code"], found["part"]) == neighbourhood(w2v_hs.load(two), "king", 4)
    assert "'zebra'" in fails("tree", "show", two, "zebra")
    assert "k=1" in fails("tree", "show", two, "king", "-k", "1")
    assert "no such file" in fails("tree", "stats", files / "none.safetensors")
    assert "given twice" in fails("tree", "export", one, one)


def test_the_full_softmax_has_no_tree(tmp_path, fails):
    model = w2v_hs.train([["a", "b"]] * 50, loss="softmax", dim=4, epochs=1, sample=0)
    with pytest.raises(OptionError, match="no tree"):
        anatomy(model)
    with pytest.raises(W2VError, match="no tree"):
        neighbourhood(model, "a")
    model.save(tmp_path / "m.safetensors")
    for command in (
        ("stats",),
        ("compare", tmp_path / "m.safetensors"),
        ("show", "a"),
        ("export", tmp_path / "t.txt"),
    ):
        name, *rest = command
        assert "m.safetensors: a model of the full softmax has no tree" in fails(
            "tree", name, tmp_path / "m.safetensors", *rest
        )


def test_options_out_of_range(files, fails):
    model = files / "huffman.safetensors"
    assert "--levels" in fails("tree", "stats", model, "--levels", "-1", code=2)
    text = files / "text.txt"
    assert "directory" in fails("train", text, "-o", files / "m.safetensors", "--tree", files)
