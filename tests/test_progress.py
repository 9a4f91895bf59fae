"""Progress: bars in notebooks, lines where standard error is no terminal, the log."""

import io
import logging
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import w2v_hs
from w2v_hs.progress import Lines, Progress

LINE = re.compile(r"training +(\d+)%  [\d,]+ words/s  epoch (\d+)  lr 0\.\d{4}  loss (\d\.\d{3})")
STEPS = ["reading", "tree", "compiling", "training"]


def test_a_notebook_shows_bars_without_widgets(text_file):
    source = (
        "import logging, w2v_hs\n"
        f"model = w2v_hs.train({str(text_file)!r}, dim=8, epochs=2, lr=0.1, holdout=0.1, progress=True)"
    )
    logged = source.replace("model", "logging.basicConfig(level=logging.INFO)\nmodel")
    cells = [nbformat.v4.new_code_cell(each) for each in (source, logged)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = cells[0].outputs
    (bars,) = [output.data for output in outputs if output.output_type == "display_data"]
    assert re.search(r"training.*100%.*words/s +epoch 2", bars["text/plain"])
    assert [line.split()[0] for line in bars["text/plain"].split("\n") if line.strip()] == STEPS
    assert "training" in bars["text/html"]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "epoch 2: held-out loss" in printed
    assert all(output.get("name") != "stderr" for output in outputs)
    # With the logger on, its lines are instead of the bars.
    assert {output.get("name") for output in cells[1].outputs} == {"stderr"}
    log = "".join(output.text for output in cells[1].outputs)
    assert log.count("epoch 2: held-out loss") == 1 and "training 100%" in log


def test_without_a_terminal_there_is_a_line_an_epoch(run, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("the king rules the land and the queen rules the sea\n" * 100_000)
    done = run("train", text, "-o", tmp_path / "m.safetensors", "--epochs", 3, "--threads", 1, "--sample", 0)
    assert done.returncode == 0, done.stderr
    found = LINE.findall(done.stderr.decode())
    assert [int(epoch) for _, epoch, _ in found] == [1, 2, 3]
    assert found[-1][0] == "100"
    assert "\r" not in done.stderr.decode() and "\x1b" not in done.stderr.decode()


def test_the_loss_of_an_epoch_is_the_same_in_lines_callbacks_and_the_model(text_file, capsys):
    seen = []
    options = {"dim": 8, "epochs": 4, "lr": 0.1, "threads": 2, "progress": True}
    model = w2v_hs.train(text_file, callbacks=lambda done: seen.append(done.loss), **options)
    shown = [float(loss) for _, _, loss in LINE.findall(capsys.readouterr().err)]
    assert shown == pytest.approx(seen, abs=6e-4) and seen == model.losses


def test_the_loss_of_an_epoch_is_the_same_in_the_lines_and_the_summary_of_a_classifier(run, tmp_path):
    (tmp_path / "labelled.txt").write_text("__label__pos a good film\n__label__neg a bad film\n" * 50)
    options = ["--dim", "8", "--epochs", "3", "--min-count", "1"]
    done = run("classify", "train", tmp_path / "labelled.txt", "-o", tmp_path / "c.safetensors", *options)
    text = done.stderr.decode()
    losses = re.search("loss by epoch: (.*)", text)[1].split()
    assert [line[1:] for line in LINE.findall(text)] == [(str(i), loss) for i, loss in enumerate(losses, 1)]


def test_lines_say_which_of_several_runs_they_are_of(text_file, capsys):
    w2v_hs.train(text_file, dim=8, epochs=1, lr=0.1, threads=1, replicas=2, progress=True)
    lines = capsys.readouterr().err.splitlines()
    runs = ["run 1 of 2", "run 2 of 2", "fitting the tree to the mean of the runs"]
    assert [line.split(":")[0] for line in lines] == runs
    assert all(LINE.fullmatch(line.split(": ")[1]) for line in lines)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_full_disk_under_standard_error_ends_no_run(program, text_file, tmp_path, monkeypatch):
    output = tmp_path / "m.safetensors"
    with Path("/dev/full").open("wb", buffering=0) as full:
        for arguments, code in ((["--threads", "1", "--dim", "8"], 0), (["--dim", "0"], 1)):
            command = [*program, "train", text_file, "-o", output, *arguments]
            assert subprocess.run(command, stderr=full).returncode == code
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(full, write_through=True))
        model = w2v_hs.train(text_file, dim=8, threads=1, progress=True)
        monkeypatch.undo()
    np.testing.assert_array_equal(w2v_hs.load(output).vectors.matrix, model.vectors.matrix)


def test_a_step_that_takes_long_has_a_line_every_so_often(capsys):
    expected = ["training 3%", "reading", "scoring 25%"]
    for lines, said in ((Lines(), []), (Lines(every=0.0), expected)):
        lines.train(Progress(3, 100, 1, 0.02, 3.0, 1.0))
        lines.read(3 * 10**6, None)
        lines.score(1, 4)
        printed = capsys.readouterr().err.splitlines()
        assert [line.split("  ")[0] for line in printed] == said


def test_the_logger_gets_the_same_lines_once_whatever_progress_says(text_file, caplog, capsys):
    with caplog.at_level(logging.INFO, "w2v_hs"):
        for progress in (False, True):
            caplog.clear()
            w2v_hs.train(text_file, dim=8, epochs=2, threads=1, progress=progress)
            assert {record.name for record in caplog.records} == {"w2v_hs"}
            messages = [record.getMessage() for record in caplog.records]
            assert LINE.match(messages[-1])[1] == "100"
            assert any("words, " in message for message in messages)
    assert "training" not in capsys.readouterr().err
    w2v_hs.train(text_file, dim=8, epochs=2, threads=1)
    assert capsys.readouterr().err == ""
