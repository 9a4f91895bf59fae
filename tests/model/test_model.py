import dataclasses
import json
import re

import numpy as np
import pytest

import w2v_hs
from w2v_hs.errors import FormatError
from w2v_hs.files.container import load_arrays, pack_words, save_arrays, unpack_words


def test_saved_and_loaded(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    again = w2v_hs.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.vectors.matrix, model.vectors.matrix)
    np.testing.assert_array_equal(again.outputs, model.outputs)
    np.testing.assert_array_equal(again.vocabulary.counts, model.vocabulary.counts)
    assert again.vectors.words == model.vectors.words
    assert again.options == model.options and again.losses == model.losses
    assert again.provenance == model.provenance
    for word in range(len(model.vocabulary)):
        assert again.tree.code(word) == model.tree.code(word)


def test_a_model_of_millions_of_files_is_read_again(model, tmp_path):
    """The header of a .safetensors file has 100 MB at most."""
    corpus = model.provenance["corpus"] | {"names": ["x" * 101_000_000]}
    large = dataclasses.replace(model, provenance=model.provenance | {"corpus": corpus})
    large.save(tmp_path / "m.safetensors")
    again = w2v_hs.load(tmp_path / "m.safetensors")
    assert again.provenance == large.provenance and again.losses == model.losses
    vectors = w2v_hs.load_vectors(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(vectors.matrix, model.vectors.matrix)


def test_full_softmax_and_odd_words_are_saved_too(tmp_path):
    words = ["new york", "line\nbreak", "😀"]
    model = w2v_hs.train([words] * 20, loss="softmax", dim=3, epochs=1, threads=1, sample=0)
    model.save(tmp_path / "m.safetensors")
    again = w2v_hs.load(tmp_path / "m.safetensors")
    assert sorted(again.vectors.words) == sorted(words)
    assert again.tree is None and again.outputs.shape == (3, 3)


def test_any_safetensors_reader_opens_it(model, tmp_path):
    from safetensors.numpy import load_file

    model.save(tmp_path / "m.safetensors")
    arrays = load_file(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(arrays["vectors"], model.vectors.matrix)


def test_weights_that_no_file_holds_are_not_written(text_file, tmp_path):
    model = w2v_hs.train(text_file, dim=4, epochs=1, threads=1)
    path = tmp_path / "m.safetensors"
    model.save(path)
    good = path.read_bytes()
    model.vectors.matrix[5, 3] = np.nan
    with pytest.raises(FormatError, match=r"m\.safetensors: row 5 of the model's vectors holds NaN"):
        model.save(path)
    with pytest.raises(FormatError, match=r"^update: row 5"):
        model.update(text_file)
    assert path.read_bytes() == good


def test_vectors_given_for_a_model_are_told_apart(model, tmp_path):
    model.export(tmp_path / "v.bin")
    with pytest.raises(FormatError, match="a model was expected: files of vectors are read by"):
        w2v_hs.load(tmp_path / "v.bin")
    with pytest.raises(FormatError, match=r"not a readable .safetensors file: [^;]*$"):
        w2v_hs.load_vectors(tmp_path / "v.bin", format="safetensors")


def test_provenance_of_any_depth_can_be_shown(model, tmp_path, run):
    arrays, description = model.parts()
    deep = {}
    for _ in range(400):
        deep = {"a": deep}
    save_arrays(
        tmp_path / "m.safetensors",
        arrays,
        description | {"provenance": description["provenance"] | {"deep": deep}},
    )
    shown = run("info", tmp_path / "m.safetensors").stdout.decode()
    assert "deep a a a a" in shown and "… more within" in shown
    description["provenance"] = description["provenance"] | {"n": float("nan")}
    save_arrays(tmp_path / "n.safetensors", arrays, description)
    with pytest.raises(FormatError, match="its description is not JSON"):
        w2v_hs.load(tmp_path / "n.safetensors")


def test_provenance_says_what_it_was_trained_on(model, text_file):
    facts = model.provenance
    assert facts["corpus"]["names"] == [str(text_file)]
    assert facts["corpus"]["tokens"] == len(text_file.read_text().split())
    assert len(facts["corpus"]["sha256"]) == 64
    assert facts["versions"]["w2v_hs"] == w2v_hs.version.__version__
    json.dumps(model.summary(), allow_nan=False)


def test_every_truncation_and_flipped_byte_is_seen(tmp_path):
    """A small model, cut and flipped everywhere: `FormatError`, or the same model."""
    path = tmp_path / "m.safetensors"
    model = w2v_hs.train([["a", "b", "c"]] * 10, dim=2, epochs=1, threads=1, sample=0)
    model.save(path)
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 3):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            try:
                again = w2v_hs.load(path)
            except FormatError as error:
                assert str(path) in str(error) and "\n" not in str(error)
                refused += 1
            else:
                np.testing.assert_array_equal(again.vectors.matrix, model.vectors.matrix)
                assert again.summary() == model.summary()
    assert refused > 0.95 * 2 * len(whole) / 3


def test_files_that_are_not_models(tmp_path):
    with pytest.raises(FormatError, match="no such file"):
        w2v_hs.load(tmp_path / "none.safetensors")
    (tmp_path / "empty.safetensors").touch()
    with pytest.raises(FormatError, match=r"not a readable \.safetensors file"):
        w2v_hs.load(tmp_path / "empty.safetensors")
    from safetensors.numpy import save_file

    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(FormatError, match="not a model of w2v_hs"):
        w2v_hs.load(tmp_path / "other.safetensors")


def test_shapes_that_do_not_fit_together(model, tmp_path):
    path = tmp_path / "m.safetensors"
    model.save(path)
    arrays, description = load_arrays(path)
    save_arrays(path, arrays | {"outputs": arrays["outputs"][:-1]}, description)
    with pytest.raises(FormatError, match=r"outputs is float32 of shape \(16, 20\), expected .* \(17, 20\)"):
        w2v_hs.load(path)
    del arrays["counts"]
    save_arrays(path, arrays, description)
    with pytest.raises(FormatError, match="incomplete or inconsistent model"):
        w2v_hs.load(path)


HOSTILE = {
    "a word twice": lambda a, d: a.update(pack_words(["the", "the", *unpack_words(a, "")[2:]])),
    "an empty word": lambda a, d: a.update(pack_words(["", *unpack_words(a, "")[1:]])),
    "ends in two dimensions": lambda a, d: a.update({"words.ends": a["words.ends"].reshape(-1, 2)}),
    "a huge rate": lambda a, d: d["options"].update(lr=10**400),
    "short offsets": lambda a, d: a.update({"tree.offsets": a["tree.offsets"][:9]}),
    "falling offsets": lambda a, d: a.update({"tree.offsets": a["tree.offsets"][::-1]}),
    "a node that is not there": lambda a, d: a["tree.nodes"].__setitem__(3, 10**6),
    "a negative node": lambda a, d: a["tree.nodes"].__setitem__(3, -1),
    "a third branch": lambda a, d: a["tree.bits"].__setitem__(3, 2),
    "nodes of int64": lambda a, d: a.update({"tree.nodes": a["tree.nodes"].astype(np.int64)}),
    "NaN in a vector": lambda a, d: a["vectors"].__setitem__((3, 3), np.nan),
    "infinite outputs": lambda a, d: a["outputs"].__setitem__((3, 3), np.inf),
    "vectors of int32": lambda a, d: a.update(vectors=a["vectors"].astype(np.int32)),
    "counts of 0": lambda a, d: a.update(counts=a["counts"] * 0),
    "losses that are none": lambda a, d: d.update(losses=5),
    "a loss that is NaN": lambda a, d: d.update(losses=[float("nan")]),
    "provenance that is none": lambda a, d: d.update(provenance="x"),
    "updates that are none": lambda a, d: d["provenance"].update(updates={}),
    "an update without losses": lambda a, d: d["provenance"].update(updates=[{"corpus": {}}]),
    "texts without names": lambda a, d: d["provenance"]["corpus"].update(names=[None]),
    "decoding errors that are no number": lambda a, d: d["provenance"]["corpus"].update(decoding_errors="x"),
    "vectors to begin with that are none": lambda a, d: d["provenance"].update(init=5),
    "a compass without counts": lambda a, d: d["provenance"].update(compass={"name": "m.safetensors"}),
    "offsets without a dimension": lambda a, d: a.update({"tree.offsets": np.array(3)}),
    "an unknown option": lambda a, d: d["options"].update(colour="red"),
    "another format": lambda a, d: d.update(format=99),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_contents_with_a_valid_checksum(model, tmp_path, name):
    path = tmp_path / "m.safetensors"
    model.save(path)
    arrays, description = load_arrays(path)
    arrays = {key: array.copy() for key, array in arrays.items()}
    HOSTILE[name](arrays, description)
    save_arrays(path, arrays, description)
    with pytest.raises(FormatError) as caught:
        w2v_hs.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert not re.search(r"\b_[A-Z]", str(caught.value))  # a private class


@pytest.mark.parametrize(
    ("name", "format"),
    [("v.txt", None), ("v.bin", None), ("v.npz", None), ("v.dat", "word2vec-binary"), ("v.dat", "glove")],
)
def test_exported_vectors_are_read_back(model, tmp_path, name, format):
    model.export(tmp_path / name, format=format)
    again = w2v_hs.load_vectors(tmp_path / name, format=format)
    assert again.words == model.vectors.words
    np.testing.assert_array_equal(again.matrix, model.vectors.matrix)


def test_gensim_reads_what_is_exported(gensim, model, tmp_path):
    for name, binary in (("v.txt", False), ("v.bin", True)):
        model.export(tmp_path / name)
        theirs = gensim.models.KeyedVectors.load_word2vec_format(tmp_path / name, binary=binary)
        assert theirs.index_to_key == model.vectors.words
        np.testing.assert_array_equal(theirs.vectors, model.vectors.matrix)


def test_no_pickle_anywhere():
    from pathlib import Path

    for path in Path(w2v_hs.__file__).parent.rglob("*.py"):
        text = path.read_text()
        assert "import pickle" not in text and "allow_pickle=True" not in text, path


def test_a_model_put_together_without_a_rate_gets_the_usual_one(model, tmp_path):
    by_hand = dataclasses.replace(model, options=w2v_hs.Options(dim=20))
    by_hand.save(tmp_path / "m.safetensors")
    options = w2v_hs.load(tmp_path / "m.safetensors").options
    assert (options.sample, options.lr) == (1e-3, 0.05) and options.threads >= 1
