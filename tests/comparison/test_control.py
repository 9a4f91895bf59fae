"""p values of change, by a control that shuffles documents between the two texts."""

import json
import random
from collections import Counter

import numpy as np
import pytest
from scipy.stats import false_discovery_control, kstest

import w2v_hs
from w2v_hs.comparison.control import Pool, p_and_q, trained_again
from w2v_hs.errors import CorpusError, OptionError
from w2v_hs.progress import Display
from w2v_hs.text import open_text

SMALL = {"dim": 5, "epochs": 1, "min_count": 2, "sample": 0, "threads": 1}


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Random halves of the bundled corpus; in the later one, two words have changed places."""
    folder = tmp_path_factory.mktemp("split")
    lines = [line.split() for line in b"".join(open_text("factbook")).decode().splitlines()]
    random.Random(1).shuffle(lines)
    swap = {"gold": "army", "army": "gold"}
    halves = {"old": lines[: len(lines) // 2]}
    halves["new"] = [[swap.get(word, word) for word in line] for line in lines[len(lines) // 2 :]]
    for seed, (name, half) in enumerate(halves.items(), 1):
        text = folder / f"{name}.txt"
        text.write_text("".join(" ".join(line) + "\n" for line in half))
        model = w2v_hs.train(text, seed=seed, dim=30, window=10, epochs=3, threads=1)
        model.save(folder / f"{name}.safetensors")
    return folder


def test_planted_change_has_small_p_and_words_that_did_not_change_have_uniform_p(run, split):
    done = run(
        "shift", "old.safetensors", "new.safetensors", "--control", 2, "--json", "--show", 0, cwd=split
    )
    found = json.loads(done.stdout)
    first, rest = found["words"][:2], found["words"][2:]
    assert {each["word"] for each in first} == {"army", "gold"}
    assert all(each["p"] < 0.005 for each in first)
    p = np.array([each["p"] for each in rest])
    assert len(p) > 400
    # 0.037 to 0.073 in 8 divisions of this text, by overlap and by distance.
    assert 0.02 < (p < 0.05).mean() < 0.1 and 0.35 < (p < 0.5).mean() < 0.65
    assert found["control"] == 2 and found["shuffle"] == "sentences"
    assert found["changed_words"] == sum(each["q"] < 0.05 for each in found["words"])
    shown = run("shift", "old.safetensors", "new.safetensors", "gold", "--control", 1, cwd=split).stdout
    assert b"; p 0.00" in shown and b"q < 0.05 in overlap, by 1 round of shuffled sentences" in shown


def test_p_does_not_depend_on_frequency_and_q_is_that_of_benjamini_and_hochberg():
    rng = np.random.default_rng(1)

    def changes():
        counts = np.sort(rng.integers(100, 10_000, 3000))[::-1]
        return rng.normal(size=3000) * 30 / np.sqrt(counts), counts  # the rarer, the noisier

    found, control = changes(), [changes() for _ in range(5)]
    found[0][7] += 6 * 30 / np.sqrt(found[1][7])
    p, q = p_and_q(found, control)
    for third in np.split(p, 3):
        assert kstest(third, "uniform").pvalue > 0.01
    assert p[7] == p.min() < 2 / 15_000 and q == pytest.approx(false_discovery_control(p))


@pytest.mark.filterwarnings("ignore:the model has learned nothing")
@pytest.mark.parametrize("unit", ["sentences", "files"])
def test_documents_are_shuffled_whole_and_the_texts_keep_their_sizes(tmp_path, unit):
    """Each document is one word, which it repeats."""
    sides, longest = {}, 0
    for name, files in (("old", 30), ("new", 90)):
        (tmp_path / name).mkdir()
        for i in range(files):
            words = [f"{name}{i}" if unit == "files" else f"{name}{i}.{line}" for line in range(3)]
            # The first line is longer than a sentence can be: it is read as two.
            lines = [f"{word} " * (1600 if line == i == 0 else 5) for line, word in enumerate(words)]
            (tmp_path / name / f"{i}.txt").write_text("\n".join(lines))
            longest = max(longest, len(" ".join(lines).split()))
        sides[name] = [w2v_hs.train(tmp_path / name, dim=2, epochs=1, min_count=1, sample=0, threads=1)]
    real = {
        name: Counter(dict(zip(m.vocabulary.words, m.vocabulary.counts, strict=True)))
        for name, (m,) in sides.items()
    }
    pool = Pool.read(sides, None, unit, Display())
    for seed in range(5):
        halves = []
        for half in pool.halves(np.random.default_rng(seed)):
            corpus = half.corpus(sides["old"][0].options)
            halves.append(Counter(np.array(corpus.vocabulary.words)[corpus.ids].tolist()))
            assert len(corpus.vocabulary) == len(halves[-1]) and np.diff(corpus.sentences).max() <= 1000
        old, new = halves
        assert not old.keys() & new.keys() and old + new == real["old"] + real["new"]
        assert all({word[:3] for word in half} == {"old", "new"} for half in halves)
        assert 0 <= real["old"].total() - old.total() <= longest


@pytest.mark.filterwarnings("ignore:the model has learned nothing")
def test_each_run_is_trained_again_with_its_own_options():
    rng = np.random.default_rng(1)
    old, new = ([[f"w{i}" for i in rng.integers(30, size=8)] for _ in range(200)] for _ in range(2))
    new.append(["once", "twice", "twice"])
    runs = [w2v_hs.train(old, seed=seed, **SMALL) for seed in (1, 2)]
    sides = {"old": runs, "new": [w2v_hs.train(new, **SMALL | {"arch": "cbow", "max_vocab": 20})]}
    (again,) = trained_again(sides, (old, new), "sentences", 1, 1, Display())
    for models, side in zip(again, sides.values(), strict=True):
        assert [model.options for model in models] == [run.options for run in side]
        assert [len(model.vocabulary) for model in models] == [len(run.vocabulary) for run in side]
        assert "once" not in models[0].vocabulary.words
    options = {"control": 2, "texts": (old, new), "by": "distance", "min_count": 3}
    found = w2v_hs.shift(*sides.values(), **options).words
    assert all(0 < each.p <= each.q <= 1 for each in found)
    (asked,) = w2v_hs.shift(*sides.values(), found[4].word, **options).words
    assert (asked.rank, asked.p, asked.q) == (5, found[4].p, found[4].q)


@pytest.mark.filterwarnings("ignore:the model has learned nothing")
def test_resampled_runs_are_trained_again_on_bootstraps_of_the_shuffled_text(tmp_path):
    text = [[f"w{i * j % 7}" for j in range(1 + i % 9)] for i in range(200)]
    w2v_hs.train(text, replicas=2, resample=True, keep_replicas=tmp_path / "runs", **SMALL)
    runs = [w2v_hs.load(tmp_path / "runs" / f"{number}.safetensors") for number in (1, 2)]
    (again,) = trained_again({"old": runs, "new": runs}, (text, text), "sentences", 1, 1, Display())
    for models in again:
        one, other = (model.provenance["corpus"]["retained_tokens"] for model in models)
        assert one != other  # of one half, whose sentences differ in length


@pytest.mark.filterwarnings("ignore:the model has learned nothing")
def test_what_cannot_be_trained_again_is_refused_in_one_line(fails, tmp_path):
    tiny = SMALL | {"dim": 2}
    lists = w2v_hs.train([["a", "b", "c"] * 5] * 40, **tiny)
    (tmp_path / "words.txt").write_text("a 9\nb 9\n")
    text = tmp_path / "text.txt"
    text.write_text("a b c\n" * 40)
    listed = w2v_hs.train(text, vocab=tmp_path / "words.txt", **tiny)
    given = w2v_hs.train(text, tree=[["a", "b"], "c"], **tiny)
    begun = w2v_hs.train(text, init=lists, **tiny)
    few = w2v_hs.train(text, **tiny)
    for message, model, options in (
        ("new: control trains on shuffled texts, and this is vectors", few.vectors, {}),
        ("and this is a model with a tree of its own", given, {}),
        ("and this is a model trained with init", begun, {}),
        ("its words are not those that min_count chooses", listed, {}),
        ("its model read a text without a name; give the texts of both models", lists, {}),
        (
            "text.txt: too few files to shuffle, 1; expected 5 or more; use shuffle='sentences'",
            few,
            {"shuffle": "files"},
        ),
        ("control=-1", few, {"control": -1}),
        ("shuffle='words': expected one of sentences, files", few, {"shuffle": "words"}),
        ("shuffle and texts are for control", few, {"control": 0, "texts": (text, text)}),
    ):
        with pytest.raises((OptionError, CorpusError), match=message):
            w2v_hs.shift(few, model, **{"control": 1, "min_count": 1} | options)
    few.save(tmp_path / "few.safetensors")
    command = ["shift", tmp_path / "few.safetensors", tmp_path / "few.safetensors", "--control", 1]
    command += ["--min-count", 1]
    text.write_text("a b c d\n" * 40)
    assert "old: give the texts of both models: --texts OLD NEW" in fails(*command)
    text.unlink()
    message = fails(*command)
    assert "no such file" in message and "give the texts of both models: --texts OLD NEW" in message
