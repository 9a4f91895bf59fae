"""How far runs of one text agree: neighbours by votes, similarities with intervals."""

import itertools
import json

import naive
import numpy as np
import pytest
from scipy.stats import ortho_group, t

import w2v_hs
from w2v_hs import Vectors
from w2v_hs.comparison.agreement import similarities
from w2v_hs.errors import OptionError, UnknownWordError


def noisy_runs(rng, runs=4, words=300, dim=5, noise=0.4):
    """Runs of one text: the same vectors with noise."""
    names, truth = [f"w{i}" for i in range(words)], rng.normal(size=(words, dim))
    return [Vectors(names, truth + noise * rng.normal(size=truth.shape)) for _ in range(runs)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of three runs, and a file beside it."""
    path = tmp_path_factory.mktemp("runs")
    for number, run in enumerate(noisy_runs(np.random.default_rng(1)), 1):
        target = path / f"{number}.bin" if number == 4 else path / "m-replicas" / f"{number}.safetensors"
        target.parent.mkdir(exist_ok=True)
        w2v_hs.save_vectors(run, target)
    (path / "m-replicas" / ".hidden").touch()
    return path


def test_figures_are_those_of_slow_loops():
    runs = noisy_runs(np.random.default_rng(2))
    found = w2v_hs.stability(runs, ["w250", "w3"], k=7, top=100, candidates=200)
    unit = [run.matrix / np.linalg.norm(run.matrix, axis=1, keepdims=True) for run in runs]
    pairs = list(itertools.combinations(range(4), 2))

    def overlap(place):
        return np.mean([naive.overlap(runs[i].matrix, runs[j].matrix, place, 200, 7) for i, j in pairs])

    for each, place in zip(found.words, (250, 3), strict=True):
        cosines = np.array([[one[other] @ one[place] for one in unit] for other in range(200)])
        cosines[place if place < 200 else [], :] = -2
        best = sorted(range(200), key=lambda row: -cosines[row].mean())[:7]
        own = [sorted(range(200), key=lambda row: -cosines[row, run])[:7] for run in range(4)]
        assert each.word == f"w{place}" and each.overlap == pytest.approx(overlap(place))
        assert [one.word for one in each.neighbors] == [f"w{row}" for row in best]
        assert [one.runs for one in each.neighbors] == [sum(row in near for near in own) for row in best]
        for one, row in zip(each.neighbors, best, strict=True):
            mean, error = cosines[row].mean(), cosines[row].std(ddof=1) / 2
            assert one.cosine.mean == pytest.approx(mean, abs=1e-5)
            interval = np.clip(t.interval(0.95, 3, mean, error), -1, 1)
            assert one.cosine.interval == pytest.approx(interval, abs=1e-4)
    (pair,) = found.pairs
    assert pair.words == ("w250", "w3")
    assert pair.cosine.mean == pytest.approx(np.mean([one[250] @ one[3] for one in unit]), abs=1e-5)
    assert found.overlap == pytest.approx(np.mean([overlap(place) for place in range(100)]))
    assert (found.runs, found.ranked_words, found.shared_words, found.candidates) == (4, 100, 300, 200)
    ranked = w2v_hs.stability(runs, k=7, top=100, candidates=200)
    assert [each.word for each in ranked.words] == [f"w{i}" for i in range(100)] and not ranked.pairs
    assert ranked.overlap == found.overlap and ranked.words[3] == found.words[1]


def test_intervals_cover_the_mean_of_the_other_runs_and_one_more_of_them():
    rng = np.random.default_rng(3)
    text = [[f"t{topic}w{i}" for i in rng.integers(8, size=8)] for topic in rng.integers(6, size=300)]
    options = {"dim": 8, "epochs": 2, "lr": 0.025, "sample": 0, "threads": 1, "tree": "huffman"}
    runs = [w2v_hs.train(text, seed=seed, **options).vectors for seed in range(40)]
    unit = [run.matrix / np.linalg.norm(run.matrix, axis=1, keepdims=True) for run in runs]
    first, second = rng.integers(len(runs[0]), size=(2, 300))
    first, second = first[first != second][:200], second[first != second][:200]
    values = np.stack([np.einsum("ij,ij->i", one[first], one[second]) for one in unit], axis=1)
    means, further = [], []
    for _ in range(20):
        values = values[:, rng.permutation(40)]
        others = values[:, 10:]
        for each, rest in zip(similarities(values[:, :10], 0.95), others, strict=True):
            means.append(each.interval[0] <= rest.mean() <= each.interval[1])
            further.append(each.prediction[0] <= rest[0] <= each.prediction[1])
    # The mean of 30 others varies, too: 0.92 are expected of exact intervals.
    assert 0.89 < np.mean(means) < 0.95
    assert 0.93 < np.mean(further) < 0.97


def test_runs_that_agree_have_intervals_of_no_width():
    """Runs that differ by their axes alone."""
    rng = np.random.default_rng(4)
    (run,) = noisy_runs(rng, runs=1)
    turned = [Vectors(run.words, run.matrix @ ortho_group.rvs(5, random_state=rng)) for _ in range(2)]
    found = w2v_hs.stability([run, *turned], ["w1", "w2"])
    assert found.overlap == 1
    for each in found.words:
        for one in each.neighbors:
            assert one.runs == 3
            assert one.cosine.interval == pytest.approx((one.cosine.mean,) * 2, abs=1e-6)


def test_results_print_as_tables():
    runs = noisy_runs(np.random.default_rng(5))
    ranking, asked = w2v_hs.stability(runs), w2v_hs.stability(runs, ["w1", "w2"])
    assert "4 runs: two of them share" in str(ranking) and "each with the number of runs" in str(ranking)
    assert "w1: two runs share" in str(asked) and "of one more run" in str(asked)
    assert "<pre" in asked._repr_html_()
    brackets = [Vectors(["[b]", "[/b]", 7], np.eye(3)[:, :2] + more) for more in (1, 1.01)]
    assert "│ [b]" in str(w2v_hs.stability(brackets, k=1)) and "[b] 2" in str(w2v_hs.stability(brackets, k=1))
    assert w2v_hs.stability(brackets, 7, k=1).words[0].word == 7


def test_the_command(run, folder):
    done = run("stability", "m-replicas", "--run", "4.bin", "w1", "w2", "w3", "--json", cwd=folder)
    found = json.loads(done.stdout)
    assert found["runs"] == 4 and [each["word"] for each in found["words"]] == ["w1", "w2", "w3"]
    files = [*(f"m-replicas/{number}.safetensors" for number in (1, 2, 3)), "4.bin"]
    runs = [w2v_hs.load_vectors(folder / file) for file in files]
    assert found == w2v_hs.stability(runs, ["w1", "w2", "w3"]).as_dict()
    shown = run("stability", "m-replicas", "--show", 2, cwd=folder).stdout.decode()
    assert shown.startswith("3 runs: two of them share") and "w1 " in shown and "│ w2 " not in shown
    assert "of one more run" in run("stability", "m-replicas", "w1", cwd=folder).stdout.decode()


def test_words_by_change_take_folders_of_runs(run, folder):
    named = ["--old", "m-replicas/2.safetensors", "--old", "m-replicas/3.safetensors", "--json"]
    by_name = run("shift", "m-replicas/1.safetensors", "4.bin", *named, cwd=folder)
    by_folder = run("shift", "m-replicas/", "4.bin", "--json", cwd=folder)
    assert by_folder.stdout == by_name.stdout and json.loads(by_name.stdout)["runs"] == [3, 1]


def test_what_cannot_be_compared_is_refused_in_one_line(fails, folder, tmp_path):
    runs = noisy_runs(np.random.default_rng(6))
    for given, message in (
        (runs[:1], "a single run"),
        (runs[0], "a single run"),
        ([], "models is empty"),
        ([*runs, runs[1]], "models: runs 2 and 5 have the same vectors; expected .* each given once"),
        ([runs[0], Vectors(["w1"], np.ones((1, 5)))], "1 shared word"),
        ([runs[0], Vectors(runs[0].words, np.ones((300, 4)))], "5 and 4 values"),
    ):
        with pytest.raises(OptionError, match=message):
            w2v_hs.stability(given)
    with pytest.raises(OptionError, match="k=300"):
        w2v_hs.stability(runs, k=300)
    fewer = [*runs[:2], Vectors(runs[2].words[:200], runs[2].matrix[:200])]
    with pytest.raises(UnknownWordError, match=r"run 3: .*w250"):
        w2v_hs.stability(fewer, "w250")
    (tmp_path / "empty").mkdir()
    assert "holds no files" in fails("stability", tmp_path / "empty")
    assert "a single run" in fails("stability", folder / "4.bin")
    message = fails("stability", folder / "m-replicas", "--run", folder / "m-replicas" / "2.safetensors")
    assert "models: runs 2 and 4 have the same vectors" in message
    assert "--show with WORDs" in fails("stability", folder / "m-replicas", "w1", "--show", 3, code=2)
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "notes.md").write_text("notes")
    assert "notes.md" in fails("stability", folder / "m-replicas", "--run", tmp_path / "mixed")
