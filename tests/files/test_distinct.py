"""From Python, too, nothing is written over what is read."""

import shutil

import pytest

import w2v_hs
from w2v_hs.errors import OptionError


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
