"""Nothing is written over what is read, what is unfinished, or what another run writes."""

import contextlib
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import train_leaving

import w2v_hs
from w2v_hs.errors import OptionError, OutputError
from w2v_hs.files.atomic import holding, new_folder
from w2v_hs.tree.user_trees import save_codes


def from_python(model, text, path):
    """All functions that write a file."""
    yield from (
        lambda: model.save(path),
        lambda: model.vocabulary.save(path),
        lambda: save_codes(path, model.tree, model.vocabulary.words),
        lambda: w2v_hs.join_phrases(text, path),
        lambda: w2v_hs.report(model, path, similarity=(), analogies=()),
    )
    formats = ("word2vec-text", "word2vec-binary", "fasttext", "npz", "safetensors", "parquet", "arrow")
    yield from (lambda format=format: model.export(path, format=format) for format in formats)


def from_the_command_line(model_file, text, path):
    """All commands that write a file of any name."""
    yield "export", model_file, path, "--format", "word2vec-text"
    yield "align", model_file, model_file, "-o", path
    yield "tree", "export", model_file, path
    yield "evaluate", model_file, "--json", path
    yield "phrases", text, "-o", path
    yield "train", text, "-o", path.with_name("new.safetensors"), "--save-vocab", path


@pytest.mark.parametrize("name", ["m.checkpoint.safetensors", "kept"])
def test_the_checkpoint_of_an_unfinished_run_stays(name, tmp_path, model, model_file, text_file, fails):
    kept = tmp_path / name
    train_leaving(kept, text_file, dim=8, epochs=1, threads=1)
    before = kept.read_bytes()
    for write in from_python(model, text_file, kept):
        with pytest.raises(OutputError, match=r"checkpoint.*; give another name"):
            write()
    for command in from_the_command_line(model_file, text_file, kept):
        assert "; give another name" in fails(*command)
    assert kept.read_bytes() == before and list(tmp_path.iterdir()) == [kept]
    w2v_hs.resume(kept)
    if name == "kept":  # that of a finished run may go
        model.save(kept)


def test_what_another_run_writes_is_left_to_it(tmp_path, model, model_file, text_file, fails):
    path, page, demo, folder = (tmp_path / name for name in ("v", "r.html", "demo", "folder"))
    demo.mkdir()
    busy = f"process {os.getpid()} is writing it"
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(1) as another:
        for output in (path, page, demo / "evaluation.json"):
            stack.enter_context(holding(output))
        stack.enter_context(new_folder(folder))
        writers = [*from_python(model, text_file, path), lambda: model.export(folder, format="projector")]
        for write in writers:
            with pytest.raises(OutputError, match=busy):
                another.submit(write).result()
        commands = [*from_the_command_line(model_file, text_file, path)]
        commands += [("report", model_file, "-o", page), ("demo", text_file, "-o", demo)]
        for command in commands:
            assert busy in fails(*command)
        assert not path.exists() and not page.exists()
        model.save(path)  # whose thread it is


def test_outputs_of_one_run_do_not_clash(tmp_path, text_file, fails):
    """Each of these failed when all was trained."""
    train = ("train", text_file, "-o", tmp_path / "m.safetensors", "--replicas", 2, "--keep-replicas")
    folder = tmp_path / "m-replicas"
    assert "m-replicas is given twice" in fails(*train, "--save-vocab", folder)
    folder.mkdir()
    message = fails(*train, "--save-vocab", folder / "words.txt")
    assert "words.txt lies within" in message and "m-replicas, which is written, too" in message
    with pytest.raises(OptionError, match="is given twice"):
        w2v_hs.train(text_file.parent, replicas=2, keep_replicas=text_file.parent)
    assert list(tmp_path.rglob("*")) == [folder]


def test_nothing_is_written_over_what_is_read(tmp_path, text_file, model):
    text = shutil.copy(text_file, tmp_path / "text.txt")
    counts, tree, pairs = (tmp_path / name for name in ("counts.txt", "tree.txt", "pairs.html"))
    model.vocabulary.save(counts)
    tree.write_text("".join(f"{w} {model.tree.code(i)}\n" for i, w in enumerate(model.vectors.words)))
    pairs.write_text("king queen 8\n")
    (tmp_path / "link").symlink_to(text)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    within = "is one of the files of .*; writing it would destroy what is read"
    twice = "is given twice; writing it would destroy the other"
    for message, write in (
        (twice, lambda: w2v_hs.train(text, checkpoint=text)),
        (twice, lambda: w2v_hs.train(str(text), checkpoint=tmp_path / "link")),
        (within, lambda: w2v_hs.train(tmp_path, checkpoint=text)),
        (within, lambda: w2v_hs.train(f"{tmp_path}/*.txt", checkpoint=text)),
        (twice, lambda: w2v_hs.train(text, vocab=counts, checkpoint=counts)),
        (twice, lambda: w2v_hs.train(text, tree=tree, checkpoint=str(tree))),
        (twice, lambda: w2v_hs.join_phrases(text, str(text))),
        (twice, lambda: w2v_hs.join_phrases([counts, text], text)),
        (twice, lambda: w2v_hs.report(model, pairs, similarity=[str(pairs)])),
    ):
        with pytest.raises(OptionError, match=message):
            write()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_vectors_in_a_folder_that_is_read_are_not_written_over(tmp_path, model, fails):
    folder = tmp_path / "folder"
    model.export(folder, format="sentence-transformers")
    (inside,) = folder.rglob("model.safetensors")
    before = inside.read_bytes()
    message = fails("export", folder, inside, "--top", 3)
    assert "is one of the files of" in message and inside.read_bytes() == before


def test_standard_input_is_not_written_over(tmp_path, text_file, program):
    text = shutil.copy(text_file, tmp_path / "m.safetensors")
    (tmp_path / "link").symlink_to(text)
    kept = tmp_path / "m.checkpoint.safetensors"
    train_leaving(kept, text_file, dim=8, epochs=1, threads=1)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for command in (
        ("phrases", "-", "-o", text),
        ("phrases", text_file, "-", "-o", tmp_path / "link"),
        ("train", "-", "-o", tmp_path / "n.safetensors", "--save-vocab", text),
        ("resume", kept, "-"),
    ):
        with text.open() as file:
            done = subprocess.run([*program, *map(str, command)], stdin=file, capture_output=True, text=True)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert "is standard input, too; writing it would destroy what is read" in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", [".m.safetensors.lock", ".m.safetensors.abcdefg1.tmp"])
def test_what_has_the_name_of_a_lock_or_temporary_file_is_no_text(tmp_path, text_file, fails, name):
    output, text = tmp_path / "m.safetensors", shutil.copy(text_file, tmp_path / name)
    before = text.read_bytes()
    message = "has the name of a lock or temporary file of"
    assert message in fails("train", text, "-o", output)
    assert message in fails("train", text_file, "-o", output, "--save-vocab", text)
    assert message in fails("phrases", tmp_path / "no" / ".." / name, "-o", output)
    with pytest.raises(OptionError, match=message):
        w2v_hs.train(text, checkpoint=output)
    assert list(tmp_path.iterdir()) == [text] and text.read_bytes() == before
