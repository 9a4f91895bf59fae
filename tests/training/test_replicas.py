"""Runs of different seeds, merged."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time

import naive
import numpy as np
import pytest

import w2v_hs
from w2v_hs.errors import DivergedError, Interrupted, OptionError, OutputError
from w2v_hs.kernels.common import Window
from w2v_hs.model.weights import start_vectors
from w2v_hs.options import Options
from w2v_hs.progress import Display, display
from w2v_hs.text.corpus import read_corpus, resampled, thinned
from w2v_hs.training import memory
from w2v_hs.training.recipe import make_tree
from w2v_hs.training.replicas import MERGING, runs_at_once, train_replicas
from w2v_hs.training.schedule import with_short_sentences

OPTIONS = {"dim": 12, "epochs": 3, "sample": 0, "threads": 1}


@pytest.mark.parametrize(
    "options",
    [{}, {"tree": "huffman", "arch": "cbow"}, {"loss": "softmax"}, {"subwords": (3, 4), "buckets": 300}],
    ids=str,
)
def test_the_merged_vectors_are_the_mean_of_runs_rotated_onto_the_first(text_file, options):
    options = OPTIONS | options
    merged = w2v_hs.train(text_file, replicas=3, seed=7, **options)
    runs = [w2v_hs.train(text_file, seed=seed, **options) for seed in (7, 8, 9)]
    unit = [run.vectors.matrix / np.linalg.norm(run.vectors.matrix, axis=1)[:, None] for run in runs]
    rotated = []
    for run, directions in zip(runs, unit, strict=True):
        u, _, v = np.linalg.svd(directions.T @ unit[0])
        rotated.append(run.vectors.matrix @ u @ v)
    assert np.allclose(merged.vectors.matrix, np.mean(rotated, axis=0), atol=1e-4)
    assert [run["seed"] for run in merged.provenance["replicas"]] == [7, 8, 9]
    # Figures are those of all runs and of the fit.
    assert merged.provenance["predictions"] > sum(run.provenance["predictions"] for run in runs)
    assert np.allclose(merged.losses[:3], np.mean([run.losses for run in runs], axis=0))


def test_the_tree_predicts_from_the_merged_vectors(text_file, tmp_path):
    merged = w2v_hs.train(text_file, replicas=2, holdout=0.05, **OPTIONS)
    one = w2v_hs.train(text_file, holdout=0.05, **OPTIONS)
    assert merged.distribution("king").sum() == pytest.approx(1)
    assert len(merged.losses) == OPTIONS["epochs"] + 1 and len(merged.holdout_losses) == 1
    assert merged.holdout_losses[0] < one.holdout_losses[-1] + 0.02
    merged.save(tmp_path / "m.safetensors")
    again = w2v_hs.load(tmp_path / "m.safetensors")
    assert again.options.replicas == 2 and again.provenance["replicas"] == merged.provenance["replicas"]
    again.update(text_file, epochs=1)  # a single run
    assert len(again.vectors) == len(merged.vectors)


def test_words_never_seen_have_merged_vectors(text_file):
    model = w2v_hs.train(text_file, replicas=2, subwords=(3, 4), buckets=300, **OPTIONS)
    rows, ngrams = model.vectors.subwords.rows, model.vectors.subwords.ngrams
    parts = ngrams.parts(model.vectors.words)
    king = model.vectors.row("king")
    own = parts.rows[parts.offsets[king] : parts.offsets[king + 1]]
    assert np.allclose(model.vectors["king"], rows[own].mean(axis=0), atol=1e-6)
    assert np.isfinite(model.vectors["kingly"]).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"replicas": 0}, "replicas=0"),
        ({"checkpoint": True}, "replicas=2 with a checkpoint"),
        ({"holdout": 0.1, "patience": 1}, "replicas=2 with patience"),
        ({"callbacks": print}, "replicas=2 with callbacks"),
        ({"rounds": 4}, "replicas=2 with rounds"),
        ({"replicas": 1, "resample": True}, "resample with a single run"),
        ({"replicas": 1, "keep_replicas": "runs"}, "keep_replicas with a single run"),
    ],
    ids=str,
)
def test_what_several_runs_cannot_do_is_refused(text_file, tmp_path, wrong, message):
    with pytest.raises(OptionError, match=message):
        if "checkpoint" in wrong:
            wrong = {"checkpoint": tmp_path / "c.safetensors"}
        if "keep_replicas" in wrong:
            wrong["keep_replicas"] = tmp_path / "runs"
        w2v_hs.train(text_file, **{"replicas": 2} | wrong)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("threads", "seeds"), [(1, (7, 8, 9)), (2, (7, 8))])
def test_runs_that_are_kept_are_those_of_their_seeds(text_file, tmp_path, threads, seeds):
    side_by_side = OPTIONS | {"threads": threads, "replicas": len(seeds)}  # with a thread each
    w2v_hs.train(text_file, seed=7, keep_replicas=tmp_path / "runs", **side_by_side)
    for number, seed in enumerate(seeds, 1):
        kept = w2v_hs.load(tmp_path / "runs" / f"{number}.safetensors")
        alone = w2v_hs.train(text_file, seed=seed, **OPTIONS)
        assert np.array_equal(kept.vectors.matrix, alone.vectors.matrix)
        assert np.array_equal(kept.outputs, alone.outputs) and kept.options == alone.options
    with pytest.raises(OutputError, match="is there already"):
        w2v_hs.train(text_file, replicas=2, keep_replicas=tmp_path / "runs", **OPTIONS)
    with pytest.raises(DivergedError):
        w2v_hs.train(text_file, replicas=2, keep_replicas=tmp_path / "more", **OPTIONS | {"lr": 1e30})
    assert [each.name for each in tmp_path.iterdir()] == ["runs"]


@pytest.mark.parametrize(
    ("runs", "threads", "most", "turns"),
    [(10, 2, 99, [2] * 5), (3, 2, 99, [2, 1]), (3, 2, 1, [1] * 3), (10, 16, 99, [8, 2]), (3, 7, 99, [1] * 3)],
)
def test_so_many_runs_train_at_once_that_no_thread_is_idle(runs, threads, most, turns):
    found = []
    while sum(found) < runs:
        found.append(runs_at_once(runs - sum(found), threads, most))
    assert found == turns


def test_the_memory_of_runs_side_by_side_is_predicted(run, tmp_path):
    words = [f"word{i}" for i in range(40_000)]
    lines = [" ".join(words[i : i + 20]) for i in range(0, len(words), 20)]
    (tmp_path / "first.txt").write_text("\n".join(lines[:50]))  # compiles, which takes memory, too
    (tmp_path / "text.txt").write_text("\n".join(lines))
    options = ["--min-count", 1, "--epochs", 1, "--threads", 2, "--replicas", 6, "--keep-replicas"]
    for name in ("first", "text"):
        output = tmp_path / name / "m.safetensors"
        output.parent.mkdir()
        done = run("train", f"{name}.txt", "-o", output, *options, env={}, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    peak = w2v_hs.load(output).provenance["peak_memory_bytes"]
    expected = memory.run_bytes(len(words), 112, len(words), MERGING) + 2 * memory.model_bytes(40_000, 112, 3)
    assert peak == pytest.approx(expected, rel=0.1)


class Calling(Display):
    """Calls a function, with the name of the run, when a run shows how far it is."""

    def __init__(self, function):
        self.function = function

    def train(self, progress):
        self.function(self._part)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_all_runs_and_has_the_model_of_one(text_file, threads):
    shows = Calling(lambda run: os.kill(os.getpid(), signal.SIGINT))
    options = OPTIONS | {"epochs": 99_999, "threads": threads}
    with pytest.raises(Interrupted, match="stopped") as caught:
        w2v_hs.train(text_file, replicas=4, progress=shows, **options)
    assert "king" in caught.value.model.vectors
    assert not [each for each in threading.enumerate() if each.name.startswith(("replica", "trainer"))]


def test_a_run_that_fails_ends_those_beside_it(text_file):
    def fail(run):
        if run == "run 2 of 4: ":
            raise ZeroDivisionError(run)

    options = OPTIONS | {"epochs": 99_999, "threads": 2}
    with pytest.raises(ZeroDivisionError, match="run 2"):
        w2v_hs.train(text_file, replicas=4, progress=Calling(fail), **options)


def test_warnings_of_runs_are_those_of_the_caller():
    noise = [[f"w{(7 * i + j * j) % 31}" for j in range(9)] for i in range(400)]
    with pytest.warns(UserWarning, match="learned nothing") as warned:
        w2v_hs.train(noise, replicas=2, dim=4, epochs=1, threads=2, lr=1e-6)
    assert [each.filename for each in warned if "learned nothing" in str(each.message)] == [__file__] * 2


def test_runs_that_have_ended_stay_when_a_later_one_is_killed(text_file, tmp_path):
    code = f"""
import w2v_hs
w2v_hs.train({str(text_file)!r}, replicas=1000, keep_replicas="runs", **{OPTIONS})
"""
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path)
    while not (tmp_path / "runs" / "3.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.02)
    with pytest.raises(OutputError, match=f"runs: process {process.pid} is writing it"):
        w2v_hs.train(text_file, replicas=2, keep_replicas=tmp_path / "runs", **OPTIONS)
    process.kill()
    process.communicate()
    for number in (1, 2, 3):
        kept = w2v_hs.load(tmp_path / "runs" / f"{number}.safetensors")
        assert kept.options.seed == number and kept.options.replicas == 1


def test_a_bootstrap_of_the_text_draws_its_sentences_with_replacement(tmp_path):
    sentences = [[f"w{i}", *["more"] * (i % 3)] for i in range(30_000)]  # more than are copied at once
    text = read_corpus(sentences, min_count=1)
    whole, name = np.array(text.ids), text.vocabulary.words
    drawn = resampled(text, 5)
    bounds = drawn.sentences.tolist()
    words = [name[row] for row in drawn.ids]
    found = [words[a:b] for a, b in itertools.pairwise(bounds)]
    places = np.array([int(sentence[0][1:]) for sentence in found])
    assert found == [sentences[place] for place in places]
    # One drawn n times has n // 2 copies of weight 2 and, where n is odd, one of weight 1.
    times = np.bincount(places, drawn.weights).astype(int)
    assert times.sum() == drawn.facts()["sentences"] == 30_000
    assert drawn.facts()["retained_tokens"] == times @ [1 + i % 3 for i in range(len(times))]
    assert np.bincount(times)[:4] / 30_000 == pytest.approx([0.368, 0.368, 0.184, 0.061], abs=0.01)
    assert np.array_equal(np.bincount(places), (times + 1) // 2) and set(drawn.weights) == {1, 2}
    # In the order of the text but for stretches of one weight, which are long.
    assert np.abs(places - np.sort(places)).max() < 10_000
    assert np.count_nonzero(np.diff(drawn.weights)) == 2 * len(text.ids) // 20_000 - 1
    assert np.array_equal(drawn.ids, resampled(text, 5).ids) and len(resampled(text, 6).ids) != len(drawn.ids)
    assert np.array_equal(text.ids, whole)  # which the other runs and the fit of the tree read


def test_a_sentence_that_is_cut_has_pieces_of_its_weight():
    drawn = resampled(read_corpus([[f"w{(i + j) % 9}" for j in range(i)] for i in range(1, 40)]), 5)
    cut = with_short_sentences(drawn, 10, Window(5, 5, True))
    weights = [drawn.weights[np.searchsorted(drawn.sentences, end) - 1] for end in cut.sentences[1:]]
    assert len(weights) > len(drawn.weights) and weights == cut.weights.tolist()


@pytest.mark.parametrize("arch", ["skipgram", "cbow"])
def test_a_run_trains_a_sentence_that_was_drawn_twice_once_at_twice_the_rate(tmp_path, arch):
    sentences = [[f"w{(i * i + j * i) % 13}" for j in range(2 + i % 5)] for i in range(60)]
    options = {"dim": 6, "epochs": 2, "window": 2, "lr": 0.2, "sample": 0, "shrink_windows": False}
    options |= {"min_count": 1, "tree": "huffman", "arch": arch, "threads": 1}
    w2v_hs.train(sentences, replicas=2, resample=True, keep_replicas=tmp_path / "runs", seed=7, **options)
    found = w2v_hs.load(tmp_path / "runs" / "1.safetensors")
    text, random = read_corpus(sentences, min_count=1), naive.Random(1)
    keep, window, train = np.ones(13), Window(2, 2, False), getattr(naive, f"train_{arch}_tree")
    x, nodes = start_vectors(13, 6, 7)[:, :6].astype(np.float64), np.zeros((12, 6))
    times = np.bincount(np.random.Generator(np.random.PCG64(7)).integers(60, size=60), minlength=60)
    rows = [text.ids[a:b].tolist() for a, b in itertools.pairwise(text.sentences)]
    visits = [(1, row) for row, n in zip(rows, times, strict=True) if n % 2]  # a short text is one block
    visits += [(2, row) for row, n in zip(rows, times, strict=True) for _ in range(n // 2)]
    total, done = 2 * sum(len(row) for _, row in visits), 0
    for weight, row in 2 * visits:
        rate = 0.2 * (1 - done / (total + 1))
        train([row], keep, window, found.tree, x, nodes, weight * rate, random)
        done += len(row)
    assert found.vectors.matrix == pytest.approx(x, abs=1e-4)
    assert found.outputs == pytest.approx(nodes, abs=1e-4)


def test_the_tree_is_fitted_to_a_part_of_a_long_text(text_file):
    options, text = Options(**OPTIONS, replicas=2).resolved(), read_corpus(text_file)
    found = []
    for tokens in (10**6, len(text.ids) // 4):
        with display(False) as shows:
            tree = make_tree(text.vocabulary, options, None, shows)
            merged = train_replicas(text, tree, options, shows, fit_tokens=tokens)
        found.append(merged.provenance["predictions"])
        assert merged.distribution("king").sum() == pytest.approx(1) and len(merged.losses) == 4
    # Two runs of three epochs, then one epoch or a quarter of one.
    assert found[1] / found[0] == pytest.approx(6.25 / 7, rel=0.01)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.13, 0.001])
def test_a_part_of_a_text_has_sentences_at_equal_distances(share):
    text = read_corpus([[f"w{i}", *["more"] * (i % 3)] for i in range(20_000)], min_count=1)
    part = thinned(text, round(share * len(text.ids)))
    names = [text.vocabulary.words[row] for row in part.ids]
    bounds = part.sentences.tolist()
    found = [names[a:b] for a, b in itertools.pairwise(bounds)]
    places = [int(sentence[0][1:]) for sentence in found]
    assert found == [[f"w{i}", *["more"] * (i % 3)] for i in places]
    assert len(part.ids) == pytest.approx(share * len(text.ids), rel=0.1)
    assert len(set(np.diff(places))) <= 2 and np.diff(places).min() >= 1
    assert thinned(text, len(text.ids)) is text


def test_resampled_runs_learn_from_texts_of_their_own(text_file, tmp_path):
    options = OPTIONS | {"replicas": 2, "resample": True}
    merged = w2v_hs.train(text_file, seed=7, keep_replicas=tmp_path / "runs", **options)
    for number, seed in enumerate((7, 8), 1):
        kept = w2v_hs.load(tmp_path / "runs" / f"{number}.safetensors")
        drawn = resampled(read_corpus(text_file), seed)
        retained = kept.provenance["corpus"]["retained_tokens"]
        assert retained == drawn.facts()["retained_tokens"] != 7000
        assert kept.options.resample and kept.provenance["corpus"]["sentences"] == 600
    assert merged.provenance["corpus"]["retained_tokens"] == 7000
    assert merged.options.resample
    assert not w2v_hs.train(text_file, compass=merged, epochs=1).options.resample


def test_the_command(run, fails, text_file, tmp_path):
    options = ["--dim", 8, "--epochs", 2, "--threads", 1, "--sample", 0, "--replicas", 2]
    done = run("train", text_file, "-o", "m.safetensors", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"\nloss of the tree of the merged vectors: " in done.stderr
    info = json.loads(run("info", "m.safetensors", "--json", cwd=tmp_path).stdout)
    assert info["options"]["replicas"] == 2
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]  # no checkpoint is left
    done = run("train", text_file, "-o", "k.safetensors", *options, "--keep-replicas", cwd=tmp_path)
    assert done.returncode == 0 and b"\nwrote 2 runs to k-replicas\n" in done.stderr
    kept = sorted(file.name for file in (tmp_path / "k-replicas").iterdir())
    assert kept == ["1.safetensors", "2.safetensors"]
    before = (tmp_path / "k.safetensors").read_bytes()
    message = fails("train", text_file, "-o", "k.safetensors", *options, "--keep-replicas", cwd=tmp_path)
    assert message.startswith("error: k-replicas: is there already")
    assert (tmp_path / "k.safetensors").read_bytes() == before
    single = fails("train", text_file, "-o", "n.safetensors", "--keep-replicas", cwd=tmp_path)
    assert "--keep-replicas with a single run: expected --replicas of 2 or more" in single
    earlier = tmp_path / "n.checkpoint.safetensors"
    earlier.touch()
    assert "to resume that run" in fails("train", text_file, "-o", "n.safetensors", *options, cwd=tmp_path)
    earlier.unlink()  # it is still there
    patience = ["--holdout", 0.1, "--patience", 1]
    assert "leave one" in fails("train", text_file, "-o", "n.safetensors", *options, *patience, cwd=tmp_path)
    w2v_hs.train(text_file, checkpoint=earlier, **OPTIONS)  # a run that has ended, whose model this is
    before = earlier.read_bytes()
    assert run("train", text_file, "-o", "n.safetensors", *options, cwd=tmp_path).returncode == 0
    assert earlier.read_bytes() == before
