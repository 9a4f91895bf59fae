"""The commands `predict`, `perplexity`, `score` and `train --holdout`."""

import gzip
import json
from shlex import split
from typing import ClassVar

import numpy as np
import pytest
from conftest import TEXT

import w2v_hs


def test_predict(run, fails, model, model_file):
    found = json.loads(run("predict", model_file, "the", "king", "-k", "3", "--json").stdout)
    expected = model.top_k(["the", "king"], 3)
    assert [p["word"] for p in found["predictions"]] == expected.words
    assert [p["probability"] for p in found["predictions"]] == expected.probabilities.tolist()
    assert (found["visited"], found["rows"]) == (expected.visited, len(model.outputs))
    mean = run("predict", model_file, "the", "king", "--combine", "log_probs", "--json")
    expected = model.top_k(["the", "king"], combine="log_probs")
    assert [p["word"] for p in json.loads(mean.stdout)["predictions"]] == expected.words
    found = json.loads(
        run("predict", model_file, "king", *split("--exclude the --exclude and --json")).stdout
    )
    expected = model.top_k("king", exclude=["the", "and"])
    assert [(p["word"], p["probability"]) for p in found["predictions"]] == list(expected)
    assert "'zebra' is not among" in fails("predict", model_file, "king", "--exclude", "zebra")
    shown = run("predict", model_file, "the", "king").stdout.decode()
    assert "of 17 inner nodes of the tree; no other" in shown
    assert "near the king" in shown and expected.words[0] in shown and "probability" in shown
    assert "'zebra' is not among the 18 words" in fails("predict", model_file, "zebra")
    assert "k=0: expected" in fails("predict", model_file, "king", "-k", "0")
    assert "WORD" in fails("predict", model_file, code=2)


def test_perplexity(run, fails, model, model_file, tmp_path):
    (tmp_path / "a.txt").write_text("The KING rules the zebra\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    arguments = ("perplexity", model_file, tmp_path / "a.txt", tmp_path / "b.txt.gz", "--lowercase")
    found = json.loads(run(*arguments, "--json").stdout)
    text = [["the", "king", "rules", "the", "zebra"], *(line.split() for line in TEXT.splitlines())]
    assert found == model.perplexity(text).as_dict()
    assert found["oov"] == 1
    shown = run(*arguments).stdout.decode()
    assert f"{found['nats']:.4f}" in shown and "loss of unigram frequencies" in shown
    piped = run("perplexity", model_file, "-", "--json", input=TEXT.encode())
    assert json.loads(piped.stdout)["oov"] == 0
    (tmp_path / "c.txt").write_text("king\n")
    assert "nothing to predict" in fails("perplexity", model_file, tmp_path / "c.txt")
    assert "no such file" in fails("perplexity", model_file, tmp_path / "none.txt")


def test_a_loss_above_that_of_frequencies_is_explained(run, model, model_file, tmp_path, text_file):
    subsampled = tmp_path / "s.safetensors"
    w2v_hs.train(text_file, dim=4, epochs=1, threads=1, sample=1e-2).save(subsampled)
    (tmp_path / "frequent.txt").write_text("the the is\n")
    line = "model learned from subsampled text; if you want probabilities, train with --sample 0\n"
    for file, explained in (subsampled, True), (model_file, False):
        found = json.loads(run("perplexity", file, tmp_path / "frequent.txt", "--json").stdout)
        assert found["nats"] > found["unigram"]
        shown = run("perplexity", file, tmp_path / "frequent.txt").stdout.decode()
        assert shown.endswith(line) == explained, shown


def test_score(run, fails, model, model_file, tmp_path):
    path = tmp_path / "s.txt"
    path.write_text("the king rules\n\nzebra the\tqueen\nking\nthe sea")
    lines = ["the king rules", "", "zebra the\tqueen", "king", "the sea"]
    found = json.loads(run("score", model_file, path, "--json").stdout)
    assert [row["text"] for row in found] == lines
    scores = [np.nan if row["score"] is None else row["score"] for row in found]
    np.testing.assert_array_equal(scores, model.score(lines))
    assert [row["oov"] for row in found] == [0, 0, 1, 0, 0]
    assert [row["pairs"] for row in found] == [6, 0, 2, 0, 2]
    done = run("score", model_file, path)
    shown = done.stdout.decode().splitlines()
    assert shown[0] == f"{scores[0]:>9.4f}  the king rules"
    assert shown[1:4:2] == ["        -  ", "        -  king"]
    assert done.stderr.decode() == "unknown tokens, left out: 1\n"
    message = fails("score", model_file, path, "--oov", "error")
    assert "sentence 3: 'zebra' is not among the 18 words" in message
    (tmp_path / "bad.txt").write_bytes(b"the king\nthe \xff\n")
    assert "bad.txt:2: byte 13" in fails("score", model_file, tmp_path / "bad.txt")


def test_a_long_line_is_printed_whole(run, model_file):
    line = "the king rules " * 400
    done = run("score", model_file, "-", input=line.encode())
    assert done.stdout.decode().endswith(f"  {line}\n")


@pytest.mark.parametrize("command", ["predict", "perplexity", "score"])
def test_an_empty_name_is_not_the_current_folder(fails, model_file, command):
    assert "empty name" in fails(command, "", "king", code=2)
    if command != "predict":
        assert "empty name" in fails(command, model_file, "", code=2)


def test_holdout_while_training(run, fails, tmp_path, text_file):
    output = tmp_path / "m.safetensors"
    options = split("--dim 8 --epochs 4 --holdout 0.05 --patience 2 --threads 1")
    done = run("train", text_file, "-o", output, *options)
    assert done.returncode == 0, done.stderr
    model = w2v_hs.load(output)
    assert len(model.holdout_losses) == len(model.losses)
    shown = done.stderr.decode()
    assert "held-out loss by epoch (30 sentences): " in shown and "kept epoch" in shown
    assert f"{model.holdout_losses[-1]:.3f}" in shown
    assert "lower than the model's: this learns from subsampled text" in shown
    assert "holdout by epoch" in run("info", output).stdout.decode()
    assert "patience=2 without holdout" in fails("train", text_file, "-o", output, "--patience", 2)


def test_lines_are_read_as_they_stand(tmp_path):
    from w2v_hs.options import Preprocessing
    from w2v_hs.text.blocks import read_lines
    from w2v_hs.text.sources import Source

    class Pieces(Source):
        pieces: ClassVar = []

        def blocks(self, preprocessing):
            return iter(self.pieces)

    for text in ("", "\n", "a", "a\n", "a\n\n", "\n\na b", "é\r\nx\n\n", "long " * 50 + "\nend"):
        for size in (1, 2, 7, 1000):
            data = text.encode()
            Pieces.pieces = [(data[i : i + size], 0) for i in range(0, len(data), size)]
            expected = text.removesuffix("\n").split("\n") if text else []
            assert list(read_lines(Pieces("t", "file"), Preprocessing())) == expected
