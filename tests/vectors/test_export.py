"""What export can do besides a plain copy: fewer words, unit length, half precision, the output
weights; on the command line and from Python."""

import json

import numpy as np
import pytest

import w2v_hs
from w2v_hs.errors import FormatError, OptionError
from w2v_hs.vectors.formats import FLOAT32_ONLY, FORMATS, load_vectors, save_vectors
from w2v_hs.vectors.vectors import Vectors


@pytest.fixture(scope="session")
def softmax(text_file):
    return w2v_hs.train(text_file, loss="softmax", dim=8, epochs=2, threads=1, sample=0)


# ---- fewer words, unit length, half precision ---------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("top", [1, 3, 10**9])
def test_top_keeps_the_most_frequent_words(model, tmp_path, format, top):
    model.export(tmp_path / "v", format, top=top)
    found = load_vectors(tmp_path / "v", format=format)
    assert found.words == model.vectors.words[:top]
    np.testing.assert_array_equal(found.matrix, model.vectors.matrix[:top])


@pytest.mark.parametrize("top", [0, -1, 1.5, True])
def test_top_is_a_whole_number_from_1(model, tmp_path, top):
    with pytest.raises(OptionError, match=r"^top=.*: expected a whole number of at least 1"):
        model.export(tmp_path / "v.txt", top=top)
    assert not list(tmp_path.iterdir())


def test_normalized_rows_have_length_1_and_the_same_direction(model, tmp_path):
    model.export(tmp_path / "v.npz", normalize=True)
    found = load_vectors(tmp_path / "v.npz").matrix.astype(np.float64)
    whole = model.vectors.matrix.astype(np.float64)
    expected = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-12)


def test_normalizing_the_extremes_of_float32(tmp_path):
    matrix = np.array([[3e38, -3e38], [1e-45, 0], [0, 0], [3, 4]], np.float32)
    found = Vectors(["a", "b", "c", "d"], matrix).normalized().matrix
    half = np.sqrt(0.5)
    np.testing.assert_allclose(found, [[half, -half], [1, 0], [0, 0], [0.6, 0.8]], rtol=1e-7)
    broken = Vectors(["a", "b"], np.array([[1, 2], [np.inf, 2]], np.float32))
    with pytest.raises(FormatError, match="the vector of 'b' holds NaN or Inf; it has no length"):
        save_vectors(broken, tmp_path / "v.npz", normalize=True)


@pytest.mark.parametrize("format", [f for f in FORMATS if f not in FLOAT32_ONLY])
def test_half_precision_reads_back_as_the_same_float16(tmp_path, format):
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    matrix = values[np.isfinite(values)].astype(np.float32).reshape(-1, 16)
    words = [f"w{row}" for row in range(len(matrix))]
    save_vectors(Vectors(words, matrix), tmp_path / "v", format=format, float16=True)
    found = load_vectors(tmp_path / "v", format=format).matrix
    np.testing.assert_array_equal(found.astype(np.float16).view("u2"), matrix.astype("f2").view("u2"))


@pytest.mark.parametrize("format", [f for f in FORMATS if f not in FLOAT32_ONLY])
def test_half_precision_takes_less_room(model, tmp_path, format):
    def size(name):
        path = tmp_path / name
        return sum(f.stat().st_size for f in (path.rglob("*") if path.is_dir() else [path]))

    matrix = np.random.default_rng(1).normal(size=(1000, 50)).astype(np.float32)
    vectors = Vectors([f"w{row}" for row in range(1000)], matrix)
    save_vectors(vectors, tmp_path / "full", format=format)
    save_vectors(vectors, tmp_path / "half", format=format, float16=True)
    assert size("half") < 0.7 * size("full")


def test_half_precision_that_cannot_be(tmp_path):
    vectors = Vectors(["a", "b"], np.array([[1, 2], [3, -65520]], np.float32))
    with pytest.raises(FormatError, match="the vector of 'b' holds 65520, float16 ends at 65504"):
        save_vectors(vectors, tmp_path / "v.npz", float16=True)
    with pytest.raises(OptionError, match="word2vec-binary holds float32 only"):
        save_vectors(vectors, tmp_path / "v.bin", float16=True)
    assert not list(tmp_path.iterdir())


# ---- output weights -----------------------------------------------------------------------------


def test_files_of_input_output_and_tree_give_the_probabilities_of_the_model(model, run, tmp_path):
    """The three files alone, by the formula in `output_vectors`."""
    model.save(tmp_path / "m.safetensors")
    for command in (
        ("export", tmp_path / "m.safetensors", tmp_path / "in.npz"),
        ("export", tmp_path / "m.safetensors", tmp_path / "out.txt", "--weights", "output"),
        ("tree", "export", tmp_path / "m.safetensors", tmp_path / "tree.txt"),
    ):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    inputs, outputs = load_vectors(tmp_path / "in.npz"), load_vectors(tmp_path / "out.txt")
    assert len(outputs) == len(inputs) - 1 and outputs.words[0] == "node:"
    total = 0
    for line in (tmp_path / "tree.txt").read_text().splitlines():
        word, bits = line.split()
        log_p = 0.0
        for depth, bit in enumerate(bits):
            score = outputs[f"node:{bits[:depth]}"].astype(float) @ inputs["paris"].astype(float)
            log_p -= np.log1p(np.exp(-score if bit == "0" else score))
        assert log_p == pytest.approx(model.log_prob("paris", word), abs=1e-5)
        total += np.exp(log_p)
    assert total == pytest.approx(1)


def test_output_vectors_of_the_full_softmax_give_its_distribution(softmax, tmp_path):
    softmax.export(tmp_path / "out.bin", weights="output")
    outputs = load_vectors(tmp_path / "out.bin")
    assert outputs.words == softmax.vectors.words
    scores = outputs.matrix.astype(float) @ softmax.vectors["king"].astype(float)
    expected = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(softmax.distribution("king"), expected, atol=1e-6)


def test_output_weights_that_are_not_there(model, fails, tmp_path):
    model.export(tmp_path / "v.safetensors")
    for name, said in (("v.safetensors", "contains vectors without the model"), ("v.txt", "no such")):
        out = tmp_path / "out.txt"
        assert said in fails("export", tmp_path / name, out, "--weights", "output")
        assert not out.exists()
    with pytest.raises(OptionError, match="weights='both': expected input or output"):
        model.export(tmp_path / "v.txt", weights="both")


# ---- on the command line ------------------------------------------------------------------------


def test_all_options_together_from_any_file_to_any_other(run, fails, tmp_path):
    words = ["london", "paris", "new york"]
    vectors = Vectors(words, np.array([[3, 4], [0, 2], [1, 1]], np.float32))
    save_vectors(vectors, tmp_path / "v.npz")
    assert "the word 'new york' holds white space; word2vec-text cannot hold it, npz" in fails(
        "export", tmp_path / "v.npz", tmp_path / "v.txt"
    )
    options = ("--top", "2", "--normalize", "--float16")
    done = run("export", tmp_path / "v.npz", tmp_path / "v.txt", *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode().startswith("wrote 2 vectors of length 2 to ")
    assert (tmp_path / "v.txt").read_text() == "2 2\nlondon 0.6 0.8\nparis 0.0 1.0\n"


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read_by_the_commands_for_vectors(run, fails, model, tmp_path, format):
    path = tmp_path / "v"
    model.save(tmp_path / "m.safetensors")
    done = run("export", tmp_path / "m.safetensors", path, "--format", format)
    assert done.returncode == 0, done.stderr
    asked = ("neighbors", path, "paris", "-k", "3", "--json", "--format", format)
    found = json.loads(run(*asked).stdout)
    assert [f["word"] for f in found] == [w for w, _ in model.vectors.most_similar("paris", k=3)]
    done = run("export", path, tmp_path / "again.bin", "--from-format", format)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(load_vectors(tmp_path / "again.bin").matrix, model.vectors.matrix)


def test_a_model_and_its_vectors_have_one_suffix_and_are_told_apart(run, fails, model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    model.export(tmp_path / "v.safetensors")
    for name in ("m.safetensors", "v.safetensors"):
        found = load_vectors(tmp_path / name)
        assert found.words == model.vectors.words
        np.testing.assert_array_equal(found.matrix, model.vectors.matrix)
        assert b"berlin" in run("neighbors", tmp_path / name, "paris").stdout
    assert "v.safetensors: contains vectors without the model" in fails("info", tmp_path / "v.safetensors")
    with pytest.raises(FormatError, match="file, but not a model of w2v_hs"):
        import safetensors.numpy

        safetensors.numpy.save_file({"a": np.ones(2)}, tmp_path / "a.safetensors")
        w2v_hs.load(tmp_path / "a.safetensors")
    with pytest.raises(FormatError, match="holds no array 'vectors' but 'a'"):
        load_vectors(tmp_path / "a.safetensors")


def test_a_folder_that_holds_no_vectors(fails, tmp_path):
    (tmp_path / "folder").mkdir()
    assert "folder: is a folder, not a regular file" in fails("neighbors", tmp_path / "folder", "paris")
