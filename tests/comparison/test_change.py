"""Words by change: overlap of neighbours, distance after alignment, neighbours then and now."""

import io
import itertools
import json
import re
from dataclasses import replace

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import ortho_group

import w2v_hs
from w2v_hs import Vectors
from w2v_hs.comparison.tables import print_shift
from w2v_hs.errors import OptionError, UnknownWordError, WordTypeError


def vectors(rng, words=120, dim=5):
    return Vectors([f"w{i}" for i in range(words)], rng.normal(size=(words, dim)))


def moved(known, rng, noise=0.4):
    """Vectors of the same words nearby, under another rotation."""
    near = known.matrix + noise * rng.normal(size=known.matrix.shape)
    return Vectors(known.words, near @ ortho_group.rvs(known.dim, random_state=rng))


def topics(rng, words=12, sentences=300):
    """Sentences, each of the words of one of 8 topics: `t3w5` is word 5 of topic 3."""
    return [[f"t{t}w{i}" for i in rng.integers(words, size=8)] for t in rng.integers(8, size=8 * sentences)]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Old and new model, two runs each; in the new text two words have changed places."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(1)
    old, new = topics(rng), topics(rng)
    swap = {"t1w1": "t6w1", "t6w1": "t1w1"}
    texts = {"old": old, "new": [[swap.get(word, word) for word in line] for line in new]}
    found = {}
    for (name, text), seed in itertools.product(texts.items(), (1, 2)):
        run = w2v_hs.train(text, dim=10, epochs=3, sample=0, threads=1, seed=seed + 2 * (name == "new"))
        run.save(folder / f"{name}-{seed}.safetensors")
        found.setdefault(name, []).append(run)
    return found, folder


# ---- the figures --------------------------------------------------------------------------------


def test_figures_are_those_of_slow_loops():
    rng = np.random.default_rng(2)
    old = [vectors(rng)]
    old.append(moved(old[0], rng))
    new = [moved(old[0], rng)]
    order = rng.permutation(120)  # the second text has other frequencies, and words of its own
    new[0] = Vectors([*(f"w{i}" for i in order), "more"], np.vstack([new[0].matrix[order], np.ones((1, 5))]))
    found = w2v_hs.shift(old, new, top=100, candidates=90, neighbors=7)
    rank = np.maximum(np.arange(120), np.argsort(order))  # the worse of the two
    words = [f"w{i}" for i in np.argsort(rank, kind="stable")]
    rows = [np.stack([run[word] for word in words]) for run in (*old, *new)]
    expected = {}
    for place in range(100):
        overlaps = [naive.overlap(run, rows[2], place, 90, 7) for run in rows[:2]]
        distances = [naive.distance(run, rows[2], place) for run in rows[:2]]
        expected[words[place]] = np.mean(overlaps), np.mean(distances), overlaps
    assert {each.word for each in found.words} == set(words[:100])
    columns = [[expected[word][which] for word in words[:100]] for which in (0, 1)]
    for each in found.words:
        overlap, distance, overlaps = expected[each.word]
        assert each.overlap.value == pytest.approx(overlap) and each.counts is None
        assert each.distance.value == pytest.approx(distance, abs=1e-5)
        place = words.index(each.word)
        assert each.overlap.usual == pytest.approx(naive.peers_median(columns[0], place, 101))
        assert each.distance.usual == pytest.approx(naive.peers_median(columns[1], place, 101), abs=1e-5)
        # A quarter of the resamples of two runs hold one of them only: the interval ends there.
        assert each.overlap.interval == pytest.approx((min(overlaps), max(overlaps)))
    assert (found.runs, found.ranked_words, found.shared_words, found.min_count) == ((2, 1), 100, 120, None)


@pytest.mark.parametrize("by", ["overlap", "distance"])
def test_words_are_ranked_by_the_difference_from_words_of_their_frequency(by):
    rng = np.random.default_rng(3)
    old = vectors(rng, words=300)
    new = moved(old, rng, noise=np.linspace(0.1, 1, 300)[:, None])  # the rarer, the noisier
    sign, places = (1 if by == "overlap" else -1), {}
    for raw in (True, False):
        found = w2v_hs.shift(old, new, by=by, raw=raw).words
        assert [each.rank for each in found] == list(range(1, 301))
        figures = [getattr(each, by) for each in found]
        keys = [sign * (figure.value - (0 if raw else figure.usual)) for figure in figures]
        assert keys == sorted(keys)
        places[raw] = np.mean([old.row(each.word) for each in found[:50]])
    assert places[True] > places[False]  # rare words do not come first only for being rare


@given(seed=st.integers(0, 1000))
def test_a_rotated_copy_has_not_changed(seed):
    rng = np.random.default_rng(seed)
    old = vectors(rng)
    found = w2v_hs.shift(old, moved(old, rng, noise=0))
    assert all(each.distance.value < 1e-5 for each in found.words)
    assert all(each.overlap.value > 0.9 for each in found.words)  # float32 may turn a near tie
    assert np.mean([each.overlap.value for each in found.words]) > 0.99
    same = w2v_hs.shift(old, old)
    assert {each.overlap.value for each in same.words} == {1.0}


def test_words_equally_far_are_all_neighbours():
    rng = np.random.default_rng(4)
    old = vectors(rng, words=40)
    old.matrix[20:] = old.matrix[:20]  # each vector twice
    found = w2v_hs.shift(old, old, neighbors=2)
    assert {each.overlap.value for each in found.words} == {1.0}


def test_words_that_change_places_in_a_text_come_first(models):
    found, _ = models
    for by, one in itertools.product(("overlap", "distance"), (True, False)):
        old, new = (runs[0] if one else runs for runs in found.values())
        shifted = w2v_hs.shift(old, new, by=by)
        assert {each.word for each in shifted.words[:2]} == {"t1w1", "t6w1"}
        counts = [runs[0].vocabulary.counts[runs[0].vectors.row("t1w1")] for runs in found.values()]
        (each,) = (each for each in shifted.words if each.word == "t1w1")
        assert each.counts == tuple(counts)
        assert (each.overlap.interval is None) == one == (each.distance.interval is None)
        if not one:
            low, high = each.distance.interval
            assert low < each.distance.value < high
    (then,) = w2v_hs.shift(*found.values(), "t1w1", k=5).words
    assert {word[:2] for word, _ in then.old_neighbors} == {"t1"}
    assert {word[:2] for word, _ in then.new_neighbors} == {"t6"}
    assert len(then.new_neighbors) == 5 and then.rank in (1, 2)


def test_rare_words_are_shown_if_asked_for_but_not_ranked(models):
    old, new = (runs[0] for runs in models[0].values())
    least = sorted(old.vocabulary.counts)[-40]
    found = w2v_hs.shift(old, new, [old.vectors.words[-1], "t1w1"], min_count=int(least))
    rare, swapped = found.words
    assert rare.rank is None and rare.overlap.usual is None and 0 <= rare.overlap.value <= 1
    assert f"too rare to be ranked: min_count is {least:,}; overlap" in str(found)
    assert "too rare to be ranked: raise top; overlap" in str(w2v_hs.shift(old, new, rare.word, top=9))
    assert rare.old_neighbors and found.ranked_words <= 40 and swapped.word == "t1w1"


def test_counts_of_a_compass_are_not_those_of_a_text(models):
    old = models[0]["old"][0]
    new = w2v_hs.train(topics(np.random.default_rng(5), sentences=50), compass=old, epochs=1, threads=1)
    found = w2v_hs.shift(old, new)
    assert found.min_count is None and {each.counts for each in found.words} == {None}
    with pytest.raises(OptionError, match="trained against a compass only those of the compass; use top"):
        w2v_hs.shift(old, new, min_count=5)
    with pytest.raises(OptionError, match="only those of the compass; expected two other models"):
        w2v_hs.align(old, new, weight="frequency")


def test_words_that_are_numbers(models):
    rng = np.random.default_rng(1)
    named = vectors(rng)
    numbers = Vectors(list(range(120)), named.matrix)
    digits = Vectors([str(i) for i in range(120)], named.matrix)
    found = w2v_hs.shift(numbers, digits, 7)
    assert found.words[0].word == 7 and found.words[0].overlap.value == 1


def test_results_print_as_tables(models):
    old, new = (runs[0] for runs in models[0].values())
    ranking, aligned = w2v_hs.shift(old, new), w2v_hs.align(old, new)
    assert str(ranking).count("│ t") == 20 and "96 of 96 shared words ranked" in str(ranking)
    assert len(repr(ranking)) < 400 and len(repr(aligned)) < 400
    assert "now" in str(w2v_hs.shift(old, new, "t1w1")) and "<pre" in ranking._repr_html_()
    assert "mean cosine after" in str(aligned) and "<pre" in aligned._repr_html_()
    assert json.loads(aligned.to_json()) == aligned.as_dict()


# ---- the command and its errors -----------------------------------------------------------------


def test_the_command(run, models, tmp_path):
    found, folder = models
    old, new = folder / "old-1.safetensors", folder / "new-1.safetensors"
    more = ["--old", folder / "old-2.safetensors", "--new", folder / "new-2.safetensors"]
    done = run("shift", old, new, *more, "--by", "distance", "--show", 3, "--json")
    result = json.loads(done.stdout)
    expected = w2v_hs.shift(*found.values(), by="distance")
    assert result == json.loads(json.dumps({**expected.as_dict(), "words": expected.as_dict()["words"][:3]}))
    table = run("shift", old, new, *more, "--show", 2, env={"COLUMNS": "80"}).stdout.decode()
    rows = [line for line in table.splitlines() if line.startswith("│ t")]
    assert len(rows) == 2 and " to " in rows[0] and max(map(len, table.splitlines())) <= 80
    words = run("shift", old, new, "t1w1", "t2w2", "-k", 3)
    shown = words.stdout.decode()
    assert shown.count("│ t") == 12 and "t1w1: rank " in shown and "96 of 96 shared words" in shown
    found["new"][0].export(tmp_path / "new.bin")  # of another tool: there are no counts
    done = run("shift", old, tmp_path / "new.bin", "--json")
    assert json.loads(done.stdout)["min_count"] is None


def test_what_cannot_be_compared_is_refused_in_one_line(fails, models, tmp_path):
    found, folder = models
    model = found["old"][0]
    with pytest.raises(WordTypeError, match="b't1w1' is of type bytes"):
        w2v_hs.shift(model, model, b"t1w1")
    rng = np.random.default_rng(1)
    old = vectors(rng)
    zero = vectors(rng)
    zero.matrix[3] = 0
    for message, a, b, options in (
        ("no shared words", old, Vectors(["a", "b"], np.ones((2, 5))), {}),
        ("vectors of 5 and 4 values", old, vectors(rng, dim=4), {}),
        ("4 shared words: a rotation of 5 dimensions", old, old.head(4), {}),
        ("new is empty", old, [], {}),
        ("none of 96 shared words occurs 1,000,000 times", model, model, {"min_count": 1_000_000}),
        ("min_count: files of vectors hold no counts, .*; use top", model, model.vectors, {"min_count": 5}),
        ("neighbors=120: expected a whole number from 1 to 119", old, old, {"neighbors": 120}),
        ("candidates=1:", old, old, {"candidates": 1}),
        ("by='rank': expected one of overlap, distance", old, old, {"by": "rank"}),
        ("confidence is 2", old, old, {"confidence": 2}),
        (
            "new: 'w1' is not among the 1 words; .*old has it: look at its neighbours there",
            old,
            Vectors(["w2"], np.ones((1, 5))),
            {"words": "w1"},
        ),
        ("'w3' has a vector that is zero or not finite", old, zero, {"words": ["w3"]}),
        ("'x' .*; old: 'y' .*; 'w3' has a vector that is", old, zero, {"words": ["x", "w1", "y", "w3"]}),
        ("new: runs 1 and 3 have the same vectors", old, [old, moved(old, rng), old], {}),
    ):
        with pytest.raises((OptionError, UnknownWordError), match=message):
            w2v_hs.shift(a, b, **options)
    with pytest.raises(TypeError, match="found dict; expected a model or Vectors"):
        w2v_hs.shift(old, [{}])
    good = folder / "old-1.safetensors"
    (tmp_path / "cut.safetensors").write_bytes(good.read_bytes()[:-100])
    assert "not a readable .safetensors file" in fails("shift", good, tmp_path / "cut.safetensors")
    assert "old: 't1w' is not among the 96 words; close to it: 't1w" in fails("shift", good, good, "t1w")
    for ignored in (["-k", 3], ["t1w1", "--show", 3]):
        assert "leave it out" in fails("shift", good, good, *ignored, code=2)
    assert "'--show': -1 is not in the range x>=0" in fails("shift", good, good, "--show", -1, code=2)


@pytest.mark.parametrize("by", ["overlap", "distance"])
@pytest.mark.parametrize("runs", [1, 2])
def test_headers_intervals_and_p_values_fit_80_columns(models, runs, by):
    found = w2v_hs.shift(*(side[:runs] for side in models[0].values()), by=by)
    more = {"word": "intergovernmental", "p": 0.00011, "q": 0.025, "counts": (16_000, 123_456)}
    words = [replace(each, **more) for each in found.words]
    console = Console(width=80, file=io.StringIO())
    print_shift(replace(found, words=words, control=2, shuffle="sentences", changed_words=0), console)
    printed = console.file.getvalue()
    interval = r"\d\.\d{3} to \d\.\d{3}│" if runs > 1 else ""
    row = rf"│intergovernmental│ .*│{interval}0\.00011│0\.025│(.*│)?16,000│123,456│\n"
    assert len(re.findall(row, printed)) == len(words)
    other = {"overlap": "distance usual", "distance": "overlap usual"}[by] if runs == 1 else ""
    header = f"word {by} usual {'95% interval' if runs > 1 else ''} p q {other} count count"
    assert printed.splitlines()[2].replace("┃", " ").split() == header.split()


@pytest.mark.parametrize("command", [["shift", "old-1"], ["stability", "--run", "old-1"]], ids=" ".join)
def test_an_unknown_word_does_not_hide_what_is_known_of_others(run, models, command):
    name, *options = [f"{part}.safetensors" if part[0] == "o" else part for part in command]
    arguments = name, "new-1.safetensors", *options
    for more in ((), ("--json",)):
        done = run(*arguments, "zebra", "t1w1", "zulu", "t2w2", *more, cwd=models[1])
        assert done.returncode == 1
        errors = done.stderr.decode().splitlines()
        assert [line.split(" is ")[0].split(": ")[::2] for line in errors] == [
            ["error", "'zebra'"],
            ["error", "'zulu'"],
        ]
        assert b"t1w1" in done.stdout and b"t2w2" in done.stdout
    assert [each["word"] for each in json.loads(done.stdout)["words"]] == ["t1w1", "t2w2"]
    done = run(*arguments, "zebra", "zulu", "--json", cwd=models[1])
    assert done.returncode == 1 and not done.stdout and done.stderr.decode().splitlines() == errors
