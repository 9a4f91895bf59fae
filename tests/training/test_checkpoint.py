"""Runs that are stopped go on from their checkpoint, and end as if nothing had happened."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import TEXT, train_leaving

import w2v_hs
from w2v_hs.cli.app import commands
from w2v_hs.errors import CorpusError, FormatError, OptionError, OutputError
from w2v_hs.files.container import load_arrays, save_arrays
from w2v_hs.kernels import bisect
from w2v_hs.options import Options, Preprocessing
from w2v_hs.progress import Display
from w2v_hs.training.api import train_with
from w2v_hs.training.observers import interruption
from w2v_hs.training.observers.checkpoint import CheckpointSettings, checkpoint_path, load_checkpoint
from w2v_hs.training.observers.run_texts import named_texts
from w2v_hs.training.update import update

SUBWORDS = {"subwords": (3, 4), "buckets": 500}
OPTIONS = {"dim": 8, "epochs": 30, "sample": 0, "threads": 1}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A text that takes about a second to train on."""
    path = tmp_path_factory.mktemp("long") / "text.txt"
    path.write_text(TEXT * 3000)
    return path


def same(a, b):
    """Whether two models are the same to the bit."""
    trees = [
        (m.tree.offsets.tobytes(), m.tree.nodes.tobytes(), m.tree.bits.tobytes()) if m.tree else ()
        for m in (a, b)
    ]
    return (
        a.vectors.matrix.tobytes() == b.vectors.matrix.tobytes()
        and a.outputs.tobytes() == b.outputs.tobytes()
        and trees[0] == trees[1]
        and a.losses == b.losses
        and a.holdout_losses == b.holdout_losses
        and a.provenance["predictions"] == b.provenance["predictions"]
    )


class Copies(Display):
    """Copies all checkpoints that a run writes."""

    def __init__(self, folder):
        self.folder, self.paths = folder, []

    def checkpoint(self, path, seconds, every):
        copy = self.folder / f"{len(self.paths)}.checkpoint.safetensors"
        self.paths.append(shutil.copy(path, copy))


@pytest.fixture
def copies(tmp_path):
    return Copies(tmp_path)


# ---- going on -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"arch": "cbow"},
        {"loss": "softmax", "epochs": 4},
        {"tree": "learned"},
        {"tree": "huffman"} | SUBWORDS,
        {"window": None, "side": "left", "holdout": 0.1},
        {"side": "right", "shrink_windows": False, "tree": "huffman"} | SUBWORDS,
        {"tree": "balanced", "tree_order": "learned", "holdout": 0.1},
        {"holdout": 0.1, "patience": 2, "lr": 0.2},
        {"holdout": 0.1, "patience": 5, "tree": "learned"},
    ],
    ids=str,
)
def test_going_on_from_any_checkpoint_ends_the_same_to_the_bit(text, tmp_path, copies, options):
    kept = tmp_path / "m.checkpoint.safetensors"
    options = OPTIONS | options
    settings = CheckpointSettings(kept, 0.01, named_texts(text))
    watched = train_with(Options(**options), text, settings=settings, show=copies)
    assert same(watched, w2v_hs.train(text, **options))  # looking on changes nothing
    assert len(copies.paths) >= 2
    chunks = [len(load_checkpoint(path).position.loss) for path in copies.paths]
    assert chunks == sorted(chunks)
    for path in copies.paths[:: max(1, len(copies.paths) // 4)]:
        assert same(w2v_hs.resume(path), watched)


NEWS = "the zebra chases the dog and the zebra chases the mouse\n" * 6000


@pytest.mark.parametrize(
    "options",
    [{"window": None, "side": "left"}, {"arch": "cbow", "tree": "learned"} | SUBWORDS, {"loss": "softmax"}],
    ids=str,
)
def test_an_update_goes_on_from_any_checkpoint_to_the_same_bits(text, tmp_path, copies, options):
    """`train --resume-from`: the model before, its text, and what was known settle as they would
    have."""
    news, kept = tmp_path / "news.txt", tmp_path / "m.checkpoint.safetensors"
    news.write_text(NEWS)
    base, grows = OPTIONS | {"epochs": 2} | options, options.get("loss") != "softmax"
    watched, plain = w2v_hs.train(text, **base), w2v_hs.train(text, **base)
    run = {"new_words": grows, "epochs": 20 if grows else 6, "threads": 1}
    settings = CheckpointSettings(kept, 0.02, named_texts(news))
    update(watched, news, Preprocessing(), settings=settings, show=copies, **run)
    plain.update(news, **run)
    assert same(watched, plain) and ("zebra" in plain.vocabulary.index) == grows
    assert len(copies.paths) >= 2
    for path in copies.paths[:: max(1, len(copies.paths) // 3)]:
        assert len(w2v_hs.load(path).vocabulary) == len(plain.vocabulary)
        resumed = w2v_hs.resume(path)
        assert same(resumed, plain)
        assert resumed.provenance["updates"][0]["losses"] == plain.provenance["updates"][0]["losses"]


def test_a_checkpoint_is_a_model(text, tmp_path):
    kept = tmp_path / "m.checkpoint.safetensors"
    train_leaving(kept, text, 0.2, **OPTIONS)
    model = w2v_hs.load(kept)
    assert model.distribution("king").sum() == pytest.approx(1, abs=1e-9)
    assert 0 < len(model.losses) <= 30


def test_several_threads_train_what_is_left_and_no_more(text, tmp_path, monkeypatch):
    monkeypatch.setattr("w2v_hs.options.available_cores", lambda: 3)
    kept = tmp_path / "m.checkpoint.safetensors"
    options = OPTIONS | {"threads": 3}
    whole = train_leaving(kept, text, 0.1, **options)
    assert 0 < load_checkpoint(kept).position.predictions.sum() < whole.provenance["predictions"]
    # Fewer cores than there were: the chunks stay those of the run.
    monkeypatch.setattr("w2v_hs.options.available_cores", lambda: 2)
    with pytest.warns(UserWarning, match="threads=3"):
        resumed = w2v_hs.resume(kept)
    assert resumed.provenance["predictions"] == whole.provenance["predictions"]
    assert resumed.losses[-1] == pytest.approx(whole.losses[-1], rel=0.05)


# ---- signals ------------------------------------------------------------------------------------


def started(text, output, epochs=60, *more):
    """A training process of its own, once its first checkpoint is there."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "w2v_hs",
            "train",
            str(text),
            "-o",
            str(output),
            "--dim",
            "8",
            "--threads",
            "1",
            "--sample",
            "0",
            "--epochs",
            str(epochs),
            "--checkpoint-every",
            "0.1",
            *more,
        ],
        stderr=subprocess.PIPE,
    )
    wait_for(checkpoint_path(output), process)
    return process


def wait_for(path, process):
    until = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_a_checkpoint_and_says_how_to_go_on(text, tmp_path, run, fails, number, code):
    output = tmp_path / "m.safetensors"
    output.write_bytes(b"the old one")
    process = started(text, output)
    process.send_signal(number)
    time.sleep(0.02)  # else the system makes one signal of the two
    process.send_signal(number)  # as `timeout` does, which signals the group, too
    message = process.communicate(timeout=60)[1].decode()
    assert process.returncode == code
    kept = checkpoint_path(output)
    assert message.endswith(f"stopped; to resume: w2v-hs resume {kept}\n")
    assert output.read_bytes() == b"the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == [kept.name, output.name]
    output.write_bytes(b"the new one")
    assert f"{output}: was written since the run began" in fails("resume", kept)
    output.write_bytes(b"the old one")  # a copy is the same
    done = run("resume", kept)
    assert done.returncode == 0, done.stderr
    assert w2v_hs.load(output).options.epochs == 60
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_an_update_that_is_stopped_keeps_the_model_and_goes_on(text, tmp_path, run):
    base, news = tmp_path / "m.safetensors", tmp_path / "news.txt"
    news.write_text(NEWS)
    assert run("train", text, "-o", base, "--dim", 8, "--epochs", 1, "--sample", 0).returncode == 0
    before = base.read_bytes()
    update = [
        "train",
        "--resume-from",
        base,
        "--update-vocab",
        news,
        "--epochs",
        200,
        "--threads",
        1,
        "--checkpoint-every",
        0.1,
    ]
    whole = tmp_path / "whole.safetensors"
    assert run(*update, "-o", whole).returncode == 0
    process = subprocess.Popen([sys.executable, "-m", "w2v_hs", *map(str, update)], stderr=subprocess.PIPE)
    kept = checkpoint_path(base)
    wait_for(kept, process)
    process.terminate()
    message = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 143
    assert message.endswith(f"stopped; to resume: w2v-hs resume {kept}\n")
    assert base.read_bytes() == before
    done = run("resume", kept)
    assert done.returncode == 0, done.stderr
    assert b"loss by epoch" in done.stderr
    assert same(w2v_hs.load(base), w2v_hs.load(whole)) and not kept.exists()


def test_a_second_signal_stops_at_once(text, tmp_path):
    output = tmp_path / "m.safetensors"
    process = started(text, output)
    for _ in range(20):  # the second may come before or after the checkpoint is written
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode in (-signal.SIGTERM, 143)
    assert not output.exists()
    load_checkpoint(checkpoint_path(output))  # whole


def test_killed_again_and_again_the_end_is_the_same_to_the_bit(text, tmp_path, run):
    """kill -9 at moments nobody chose; the newest checkpoint is always whole."""
    whole, output = tmp_path / "whole.safetensors", tmp_path / "m.safetensors"
    options = ["--dim", 8, "--threads", 1, "--sample", 0, "--epochs", 150]
    assert run("train", text, "-o", whole, *options).returncode == 0
    process = started(text, output, epochs=150)
    kept = checkpoint_path(output)
    generator = np.random.default_rng(1)
    places = []
    for _ in range(4):
        time.sleep(generator.random() * 0.2)
        process.kill()
        process.communicate()
        if output.exists():
            break
        places.append(len(load_checkpoint(kept).position.loss))
        process = subprocess.Popen(
            [sys.executable, "-m", "w2v_hs", "resume", str(kept)], stderr=subprocess.PIPE
        )
        age = kept.stat().st_mtime_ns
        while process.poll() is None and kept.exists() and kept.stat().st_mtime_ns == age:
            time.sleep(0.01)
    assert places and places == sorted(places)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert same(w2v_hs.load(output), w2v_hs.load(whole))
    assert sorted(path.name for path in tmp_path.iterdir()) == [output.name, whole.name]


@pytest.mark.parametrize("call", [3, 5, 12])
def test_a_stop_while_a_tree_is_learned_is_heeded_and_the_tree_learned_on_resume(
    text_file, tmp_path, monkeypatch, call
):
    options = OPTIONS | {"epochs": 3}
    whole = w2v_hs.train(text_file, **options)
    kept, halve, calls = tmp_path / "m.checkpoint.safetensors", bisect.halve, []

    def stop_at_a_level(*arguments):
        calls.append(None)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGTERM)
        return halve(*arguments)

    monkeypatch.setattr(bisect, "halve", stop_at_a_level)
    with pytest.raises(w2v_hs.Interrupted):
        w2v_hs.train(text_file, checkpoint=kept, **options)
    assert len(calls) == call  # the levels below are not learned
    assert load_checkpoint(kept).position.tree_due
    assert same(w2v_hs.resume(kept), whole)


@pytest.mark.parametrize("kept", [None, "m.checkpoint.safetensors"])
def test_ctrl_c_in_python_leaves_a_usable_model(text, tmp_path, kept):
    kept = tmp_path / kept if kept else None

    def stop_after_two(epoch):
        if epoch.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as stop:
        w2v_hs.train(text, checkpoint=kept, callbacks=stop_after_two, **OPTIONS | {"epochs": 100_000})
    model = stop.value.model
    assert isinstance(stop.value, w2v_hs.Interrupted) and stop.value.signal == signal.SIGINT
    assert model.distribution("king").sum() == pytest.approx(1, abs=1e-9)
    assert stop.value.checkpoint == kept
    advice = f"to resume: w2v_hs.resume({str(kept)!r})" if kept else ".model is the model so far"
    assert f"stopped; {advice}" in str(stop.value)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if kept is not None:
        assert w2v_hs.load(kept).vectors.matrix.tobytes() == model.vectors.matrix.tobytes()


# ---- what cannot go on --------------------------------------------------------------------------


@pytest.fixture
def kept(text, tmp_path):
    """A checkpoint of a run that read a copy of the text."""
    own = tmp_path / "own.txt"
    own.write_bytes(text.read_bytes())
    path = tmp_path / "m.checkpoint.safetensors"
    train_leaving(path, own, 0.2, **OPTIONS)
    return path


def test_a_run_within_the_folder_that_it_reads(tmp_path, run):
    """The folder holds a checkpoint as a killed run leaves it, its model, and files of a writer."""
    options = {"dim": 8, "epochs": 2, "sample": 0, "threads": 1}
    for name in "abcd":
        (tmp_path / f"{name}.txt").write_text(TEXT * 50)
    expected = w2v_hs.train(tmp_path, **options)
    left, model = tmp_path / "m.checkpoint.safetensors", tmp_path / "m.safetensors"
    train_leaving(left, tmp_path, **options)
    (tmp_path / ".m.safetensors.lock").write_bytes(b"\0" * 21)
    (tmp_path / ".m.safetensors.0123abcd.tmp").write_bytes(b"\0" * 21)
    done = run("resume", left.name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert same(w2v_hs.load(model), expected)
    few = ("--dim", 8, "--epochs", 2, "--sample", 0, "--threads", 1)
    done = run("train", ".", "-o", model.name, *few, cwd=tmp_path)  # replaces its output
    assert done.returncode == 0 and b"\n4 files, " in done.stderr, done.stderr
    assert same(w2v_hs.load(model), expected)
    for corpus in (f"{tmp_path}/*", f"{tmp_path}/**"):
        assert same(w2v_hs.train(corpus, **options), expected)


def test_another_text_is_refused(kept, fails):
    own = kept.with_name("own.txt")
    own.write_text(own.read_text() + "one more line\n")
    before = kept.read_bytes()
    message = fails("resume", kept)
    assert "own.txt: not the text that the run began with: found SHA-256" in message
    assert f"give the same files in the same order: w2v-hs resume {kept} TEXT; or train" in message
    assert kept.read_bytes() == before and not kept.with_name("m.safetensors").exists()


def test_a_text_that_has_moved_is_given_again(kept, run, fails):
    own, moved = kept.with_name("own.txt"), kept.with_name("moved.txt")
    own.rename(moved)
    gone = f"{own}: the text of {kept} is no longer there; give its new place: "
    assert gone + f"w2v-hs resume {kept} TEXT\n" in fails("resume", kept)
    with pytest.raises(FileNotFoundError, match=re.escape(gone + f"w2v_hs.resume('{kept}', text)")):
        w2v_hs.resume(kept)
    assert run("resume", kept, moved).returncode == 0
    assert w2v_hs.load(kept.with_name("m.safetensors")).options.epochs == 30


def test_a_resumed_run_names_its_text_as_the_first_one_did(text_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, kept, options = Path("t.txt"), Path("m.checkpoint.safetensors"), OPTIONS | {"epochs": 4}
    shutil.copy(text_file, text)
    whole = train_leaving(kept, text, **options)
    shutil.copy(text, "moved.txt")
    for given in (None, "moved.txt"):
        resumed = w2v_hs.resume(shutil.copy(kept, "n.checkpoint.safetensors"), given)
        assert resumed.provenance["corpus"] == whole.provenance["corpus"]
    assert whole.provenance["corpus"]["names"] == ["t.txt"]
    kept.unlink()
    settings = CheckpointSettings(kept, 1e-9, named_texts(text))
    update(whole, text, Preprocessing(), new_words=False, settings=settings, callbacks=lambda done: None)
    assert w2v_hs.resume(kept).provenance["updates"][0]["corpus"] == whole.provenance["updates"][0]["corpus"]


def test_a_folder_that_has_moved_is_given_again(tmp_path, fails, run):
    folder, kept = tmp_path / "texts", tmp_path / "m.checkpoint.safetensors"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.txt").write_text(TEXT * (20 if name == "a" else 10) + name)
    train_leaving(kept, folder, **OPTIONS | {"epochs": 4})
    moved = folder.rename(tmp_path / "moved")
    assert f"{folder}: the text of {kept} is no longer there" in fails("resume", kept)
    renamed = (moved / "a.txt").rename(moved / "c.txt")
    assert "give the same files in the same order" in fails("resume", kept, moved)
    assert run("resume", kept, renamed, moved / "b.txt").returncode == 0


def test_token_lists_are_given_again(tmp_path):
    sentences = [line.split() for line in TEXT.splitlines()] * 5000
    kept = tmp_path / "m.checkpoint.safetensors"
    whole = train_leaving(kept, sentences, 0.2, **OPTIONS)
    with pytest.raises(CorpusError, match=r"a text without a name; give it again: w2v_hs\.resume\("):
        w2v_hs.resume(kept)
    assert same(w2v_hs.resume(kept, sentences), whole)


def test_a_run_that_has_ended_is_not_resumed(model, tmp_path, fails):
    model.save(tmp_path / "m.safetensors")
    (tmp_path / "m.safetensors").rename(tmp_path / "m.checkpoint.safetensors")
    with pytest.raises(FormatError, match="a model, not a checkpoint: its run has ended"):
        w2v_hs.resume(tmp_path / "m.checkpoint.safetensors")
    model.save(tmp_path / "m.safetensors")
    message = fails("resume", tmp_path / "m.safetensors")
    (tmp_path / "n.checkpoint.safetensors").mkdir()
    assert "n.checkpoint.safetensors: is a folder" in fails(
        "train", tmp_path / "none.txt", "-o", tmp_path / "n.safetensors"
    )
    assert "the name of a checkpoint ends in" in message
    assert f"there is {tmp_path / 'm.checkpoint.safetensors'}" in message
    assert "no such file" in fails("resume", tmp_path / "none.checkpoint.safetensors")


@pytest.mark.parametrize("ended", [False, True])
def test_a_model_that_was_written_meanwhile_is_not_replaced(model, text_file, tmp_path, run, fails, ended):
    kept, options = tmp_path / "m.checkpoint.safetensors", {"dim": 8, "epochs": 1, "threads": 1}
    output = tmp_path / "m.safetensors"
    whole = train_leaving(kept, text_file, **options)
    if ended:
        w2v_hs.resume(kept)
    model.save(output)
    before = kept.read_bytes(), output.read_bytes()
    message = f"{output}: was written since the run began, and would be replaced; move it, and resume again"
    assert message in fails("resume", kept)
    assert (kept.read_bytes(), output.read_bytes()) == before
    output.unlink()
    assert run("resume", kept).returncode == 0
    assert same(w2v_hs.load(output), whole) and not kept.exists()


def test_contents_that_no_checkpoint_holds_are_refused(text, tmp_path):
    """With a valid checksum: a node out of bounds would be written to."""
    path = tmp_path / "m.checkpoint.safetensors"
    options = OPTIONS | {"epochs": 4, "holdout": 0.1, "patience": 3}
    train_leaving(path, text, **options)
    whole, description = load_arrays(path)
    damages = {
        "best.tree.nodes": lambda a: np.full_like(a, 10**6),
        "best.vectors": lambda a: a[:-1],
        "best.outputs": lambda a: np.full_like(a, np.nan),
        "chunks.loss": lambda a: a.reshape(1, -1),
        "chunks.predictions": lambda a: a[1:],
    }
    for name, damage in damages.items():
        save_arrays(path, whole | {name: np.ascontiguousarray(damage(whole[name]))}, description)
        with pytest.raises(FormatError, match="safetensors: "):
            load_checkpoint(path)
    run = description["checkpoint"] | {"chunk_tokens": 0}
    save_arrays(path, whole, description | {"checkpoint": run})
    with pytest.raises(FormatError, match="inconsistent checkpoint: chunks that do not fit"):
        load_checkpoint(path)
    results = description["checkpoint"]["holdout"]
    changes = [{"cleaning": value} for value in ({"tokenize": "../a"}, {"lowercase": 1}, {"more": 1}, 5)]
    changes += [{"holdout": value} for value in (None, "x", [[]], [results[0] | {"nats": []}], [{}])]
    changes += [{"texts": "a"}, {"texts": [1]}, {"cuts": []}, {"seconds": "1"}, {"seconds": -1}]
    changes += [{"chunk_tokens": 1e9}, {"every": None}, {"save_vocab": {}}, {"update": {}}]
    changes += [{"output_before": 1}, {"vocab_before": []}, {"ended": True, "every": 1.0}]
    for change in changes:
        run = description["checkpoint"] | change
        save_arrays(path, whole, description | {"checkpoint": run})
        with pytest.raises(FormatError, match="incomplete or inconsistent checkpoint: ") as caught:
            load_checkpoint(path)
        assert "\n" not in str(caught.value) and not re.search("_[A-Z]|__", str(caught.value))
    # Of an earlier version, which had two options for text.
    run = description["checkpoint"] | {"cleaning": {"lowercase": True, "errors": "strict"}}
    save_arrays(path, whole, description | {"checkpoint": run})
    assert load_checkpoint(path).settings.preprocessing.tokenize == "none"
    save_arrays(path, whole, description)
    load_checkpoint(path)


def test_contents_that_no_checkpoint_of_an_update_holds_are_refused(text, tmp_path):
    path = tmp_path / "m.checkpoint.safetensors"
    model = w2v_hs.train(text, **OPTIONS | {"epochs": 1})
    settings = CheckpointSettings(path, 0.02, named_texts(text))
    update(model, text, Preprocessing(), new_words=True, settings=settings, epochs=10, threads=1)
    whole, description = load_arrays(path)
    damages = {
        "update.vectors": lambda a: a[:-1],
        "update.outputs": lambda a: np.full_like(a, np.nan),
        "update.added": lambda a: a[:-1],
    }
    for name, damage in damages.items():
        save_arrays(path, whole | {name: np.ascontiguousarray(damage(whole[name]))}, description)
        with pytest.raises(FormatError, match="safetensors: "):
            load_checkpoint(path)
    saved = description["checkpoint"]["update"]
    for damage in ({"options": saved["options"] | {"dim": 9}}, {"options": saved["options"] | {"lr": -1}}):
        run = description["checkpoint"] | {"update": saved | damage}
        save_arrays(path, whole, description | {"checkpoint": run})
        with pytest.raises((FormatError, OptionError), match="safetensors: "):
            load_checkpoint(path)


def test_a_checkpoint_is_not_replaced_by_a_model(kept, text, fails):
    before = kept.read_bytes()
    assert "has the name of a checkpoint" in fails("train", text, "-o", kept)
    assert "finish it with w2v-hs resume" in fails("train", "--resume-from", kept, text, code=2)
    assert kept.read_bytes() == before


def test_a_model_is_not_called_a_checkpoint_that_may_be_discarded(model, text_file, tmp_path):
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(OutputError, match="the file that is there is no whole checkpoint; give another name"):
        w2v_hs.train(text_file, checkpoint=tmp_path / "m.safetensors", **OPTIONS)
    assert same(w2v_hs.load(tmp_path / "m.safetensors"), model)


def test_a_checkpoint_that_does_not_fit_is_told_and_training_goes_on(text, tmp_path, monkeypatch):
    kept = tmp_path / "m.checkpoint.safetensors"
    save, calls = interruption.save_checkpoint, []

    def full_once(*arguments):
        calls.append(None)
        if len(calls) == 2:
            raise OutputError(f"{kept}: could not be written: No space left on device")
        save(*arguments)

    monkeypatch.setattr(interruption, "save_checkpoint", full_once)
    with pytest.warns(UserWarning, match="no checkpoint: .*No space left .* training continues"):
        model = train_leaving(kept, text, 0.05, **OPTIONS)
    assert len(calls) > 2 and load_checkpoint(kept).model.options.epochs == 30
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(model, w2v_hs.train(text, **OPTIONS))


@pytest.mark.parametrize("every", [-1, float("inf"), float("nan")])
def test_a_time_between_checkpoints_that_is_none(text, tmp_path, every):
    with pytest.raises(OptionError, match="checkpoint_every"):
        w2v_hs.train(text, checkpoint=tmp_path / "c.safetensors", checkpoint_every=every)


# ---- two runs, one output -----------------------------------------------------------------------


def test_a_second_run_to_one_output_is_refused_and_names_the_first(text, tmp_path, fails):
    output = tmp_path / "m.safetensors"
    process = started(text, output, epochs=5000)
    try:
        message = fails("train", text, "-o", output)
        assert f"process {process.pid} is writing it" in message
        kept = checkpoint_path(output)
        assert f"process {process.pid} is writing it" in fails("resume", kept)
        for run in (lambda: w2v_hs.train(text, checkpoint=kept), lambda: w2v_hs.resume(kept)):
            with pytest.raises(OutputError, match=f"process {process.pid} is writing it"):
                run()
    finally:
        process.kill()
        process.communicate()


def test_a_second_run_to_one_checkpoint_is_refused_from_python(text, tmp_path):
    def second(epoch):
        w2v_hs.train(text, checkpoint=tmp_path / "c")

    with pytest.raises(OutputError, match=f"c: process {os.getpid()} is writing it"):
        w2v_hs.train(text, epochs=2, dim=8, checkpoint=tmp_path / "c", callbacks=second)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["train", "resume"])
def test_a_checkpoint_is_held_until_it_is_removed(text, tmp_path, monkeypatch, command):
    """Else another run could begin one while the model is written, which would be removed."""
    output, saving, tried = tmp_path / "m.safetensors", w2v_hs.Model.save, []
    kept = checkpoint_path(output)

    def save(model, path):
        with pytest.raises(OutputError, match=f"process {os.getpid()} is writing it"):
            w2v_hs.train(text, checkpoint=kept)
        tried.append(saving(model, path))

    arguments = [text, "-o", output, "--epochs", 1, "--dim", 8]
    if command == "resume":
        train_leaving(kept, text, epochs=1, dim=8)
        arguments = [kept]
    monkeypatch.setattr("w2v_hs.Model.save", save)
    commands.main([command, *map(str, arguments)], standalone_mode=False)
    assert len(tried) == 1 and [*tmp_path.iterdir()] == [output]


def test_a_killed_run_leaves_a_checkpoint_that_stays_and_no_lock(text, tmp_path, run, fails):
    output = tmp_path / "m.safetensors"
    process = started(text, output)
    process.kill()
    process.communicate()
    assert (tmp_path / ".m.safetensors.lock").exists()
    kept = checkpoint_path(output)
    before = kept.read_bytes()
    message = f"{kept}: the checkpoint of an earlier run is there; to resume that run: "
    advice = f"w2v-hs resume {kept}; to discard it: rm {kept}"
    assert message + advice in fails("train", text, "-o", output)
    with pytest.raises(OutputError, match=re.escape(f"{message}w2v_hs.resume({str(kept)!r}); to discard")):
        w2v_hs.train(text, checkpoint=kept)
    assert kept.read_bytes() == before
    model = tmp_path / "n.safetensors"
    w2v_hs.train(text, epochs=1, dim=8).save(model)
    other = kept.rename(checkpoint_path(model))
    assert "of an earlier run is there" in fails("train", "--resume-from", model, text)
    other.unlink()
    done = run("train", text, "-o", output, "--epochs", 1)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [output.name, model.name]


def test_the_checkpoint_of_a_finished_run_does_not_stand_in_the_way(text_file, tmp_path, run, fails):
    kept, options = tmp_path / "m.checkpoint.safetensors", OPTIONS | {"epochs": 4}
    whole = w2v_hs.train(text_file, checkpoint=kept, **options)
    assert same(w2v_hs.load(kept), whole) and same(w2v_hs.resume(kept), whole)
    again = w2v_hs.train(text_file, checkpoint=kept, checkpoint_every=1e-9, **options)
    assert same(w2v_hs.load(kept), again)
    assert run("resume", kept).returncode == 0 and not kept.exists()
    assert same(w2v_hs.load(tmp_path / "m.safetensors"), whole)
    w2v_hs.train(text_file, checkpoint=kept, **options)
    # The command would remove it at its end.
    assert "the checkpoint of an earlier run is there" in fails(
        "train", text_file, "-o", "m.safetensors", cwd=tmp_path
    )
    assert same(w2v_hs.load(kept), whole)
    kept.unlink()
    train_leaving(kept, text_file, **options)
    with pytest.raises(OutputError, match="the checkpoint of an earlier run is there"):
        w2v_hs.train(text_file, checkpoint=kept, **options)
    assert same(w2v_hs.resume(kept), whole)
    assert same(w2v_hs.train(text_file, checkpoint=kept, **options), whole)


def test_standard_input_is_given_again(text, tmp_path, run, fails):
    output = tmp_path / "m.safetensors"
    with Path(text).open("rb") as stream:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "w2v_hs",
                "train",
                "-",
                "-o",
                str(output),
                "--sample",
                "0",
                "--epochs",
                "60",
                "--checkpoint-every",
                "0.1",
                "--dim",
                "8",
            ],
            stdin=stream,
            stderr=subprocess.PIPE,
        )
        kept = checkpoint_path(output)
        wait_for(kept, process)
        process.terminate()
        process.communicate(timeout=60)
    assert f"text without a name; give it again: w2v-hs resume {kept} TEXT\n" in fails("resume", kept)
    shutil.copy(kept, tmp_path / "n.checkpoint.safetensors")
    assert run("resume", kept, "-", input=Path(text).read_bytes()).returncode == 0
    assert run("resume", tmp_path / "n.checkpoint.safetensors", text).returncode == 0  # the same in a file


def test_a_signal_while_the_model_is_written_comes_too_late(tmp_path):
    """What is trained is then not lost; the process sends itself the signal at that moment."""
    code = """
import os, signal, w2v_hs
from pathlib import Path
from w2v_hs.cli.train import _finish
class Model(w2v_hs.Model):
    def save(self, path):
        os.kill(os.getpid(), signal.SIGTERM)
        super().save(path)
model = w2v_hs.train([["a", "b", "c"]] * 50, dim=4, epochs=1, sample=0, threads=1)
model.__class__ = Model
Path("c").touch()
_finish(model, Path("m.safetensors"), None, Path("c"))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(w2v_hs.load(tmp_path / "m.safetensors").vectors) == 3
    assert not (tmp_path / "c").exists()


def test_the_vocabulary_of_a_resumed_run(text, tmp_path, run, fails, monkeypatch):
    """It replaces no text and nothing that came meanwhile; in a copy it leaves the first folder."""
    first, copy = tmp_path / "first", tmp_path / "copy"
    for folder in ("models", "words"):
        (first / folder).mkdir(parents=True)
    monkeypatch.chdir(first)
    output, words = Path("models", "m.safetensors"), first / "words" / "v.txt"
    process = started(text, output, 60, "--save-vocab", "words/v.txt")
    process.terminate()
    process.communicate(timeout=60)
    shutil.copytree(first, copy)
    shutil.copy(text, words)
    kept, before = checkpoint_path(output), words.read_bytes()
    assert "v.txt is given twice" in fails("resume", kept, words)
    assert f"{words}: was written since the run began" in fails("resume", kept)
    words.unlink()
    words.symlink_to(text)
    assert f"{text} is given twice" in fails("resume", kept)
    assert words.read_bytes() == before
    words.unlink()
    done = run("resume", kept.name, cwd=copy / "models")
    assert done.returncode == 0, done.stderr
    assert (copy / "words" / "v.txt").exists() and not words.exists()
