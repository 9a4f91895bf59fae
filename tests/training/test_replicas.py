"""Runs of different seeds, merged."""

import json

import numpy as np
import pytest

import w2v_hs
from w2v_hs.errors import OptionError

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
        ({"client": "tcp"}, "replicas=2 with a cluster"),
    ],
    ids=str,
)
def test_what_several_runs_cannot_do_is_refused(text_file, tmp_path, wrong, message):
    with pytest.raises(OptionError, match=message):
        if "checkpoint" in wrong:
            wrong = {"checkpoint": tmp_path / "c.safetensors"}
        w2v_hs.train(text_file, **{"replicas": 2} | wrong)


def test_the_command(run, fails, text_file, tmp_path):
    options = ["--dim", 8, "--epochs", 2, "--threads", 1, "--sample", 0, "--replicas", 2]
    done = run("train", text_file, "-o", "m.safetensors", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    info = json.loads(run("info", "m.safetensors", "--json", cwd=tmp_path).stdout)
    assert info["options"]["replicas"] == 2
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]  # no checkpoint is left
    earlier = tmp_path / "n.checkpoint.safetensors"
    earlier.touch()
    assert "to resume that run" in fails("train", text_file, "-o", "n.safetensors", *options, cwd=tmp_path)
    earlier.unlink()  # it is still there
    patience = ["--holdout", 0.1, "--patience", 1]
    assert "leave one" in fails("train", text_file, "-o", "n.safetensors", *options, *patience, cwd=tmp_path)
