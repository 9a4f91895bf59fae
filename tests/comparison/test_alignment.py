"""One model rotated onto another."""

import json
import re

import naive
import numpy as np
import pytest
from conftest import TEXT
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group

import w2v_hs
from w2v_hs import Vectors
from w2v_hs.errors import OptionError

OPTIONS = {"dim": 8, "epochs": 3, "sample": 0, "threads": 1}


def vectors(rng, words=60, dim=6):
    return Vectors([f"w{i}" for i in range(words)], rng.normal(size=(words, dim)))


def turned(known, rng):
    """The same vectors under a random rotation or reflection."""
    return Vectors(known.words, known.matrix @ ortho_group.rvs(known.dim, random_state=rng))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models of texts that share most of their words, and their files."""
    folder = tmp_path_factory.mktemp("models")
    later = TEXT.replace("king", "emperor").replace("mouse", "bird")
    found = {"old": w2v_hs.train(sentences(TEXT), **OPTIONS)}
    found["new"] = w2v_hs.train(sentences(later), seed=2, **OPTIONS)
    for name, model in found.items():
        model.save(folder / f"{name}.safetensors")
    return found, folder


def sentences(text):
    return [line.split() for line in text.splitlines() * 100]


# ---- the rotation -------------------------------------------------------------------------------


@given(seed=st.integers(0, 1000), dim=st.integers(2, 12), options=st.sampled_from([0, 1, 2]))
def test_a_rotation_is_undone(seed, dim, options):
    rng = np.random.default_rng(seed)
    old = vectors(rng, dim=dim)
    found = w2v_hs.align(old, turned(old, rng), centre=options == 1, iterate=options)
    assert np.allclose(found.aligned.matrix, old.matrix, atol=1e-5)
    assert found.mean_cosine_after == pytest.approx(1) and found.residual < 1e-5
    assert np.allclose(found.rotation @ found.rotation.T, np.eye(dim), atol=1e-5)


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("weight", ["none", "frequency"])
def test_the_rotation_is_that_of_slow_loops(models, weight, centre):
    old, new = models[0]["old"], models[0]["new"]
    shared = [word for word in old.vectors.words if word in new.vectors]
    assert 8 < len(shared) < len(old.vectors)
    a, b = ([model.vectors[word] for word in shared] for model in (new, old))
    weights = None
    if weight == "frequency":
        share = [
            [m.vocabulary.counts[m.vectors.row(w)] / m.vocabulary.tokens for w in shared] for m in (old, new)
        ]
        weights = np.sqrt(np.prod(share, axis=0))
    expected = naive.procrustes(a, b, weights, centre)
    found = w2v_hs.align(old, new, weight=weight, centre=centre)
    assert np.allclose(found.rotation, expected, atol=1e-4)
    before = [naive.unit(x) @ naive.unit(y) for x, y in zip(a, b, strict=True)]
    after = [naive.unit(x) @ expected @ naive.unit(y) for x, y in zip(a, b, strict=True)]
    assert found.mean_cosine_before == pytest.approx(np.mean(before), abs=1e-5)
    assert found.mean_cosine_after == pytest.approx(np.mean(after), abs=1e-5)
    if not centre:  # of vectors of length 1, the squared residual is 2 - 2 cos
        residual = np.sqrt(2 - 2 * np.average(after, weights=weights))
        assert found.residual == pytest.approx(residual, abs=1e-4)


def test_repeating_the_fit_leaves_out_the_words_that_moved():
    rng = np.random.default_rng(1)
    old = vectors(rng, words=100)
    new = turned(old, rng)
    new.matrix[:8] = rng.normal(size=(8, 6))
    assert w2v_hs.align(old, new).residual > 0.1
    found = w2v_hs.align(old, new, iterate=5)
    assert found.residual < 1e-5 and (found.shared_words, found.fitted_words) == (100, 90)
    assert np.allclose(found.aligned.matrix[8:], old.matrix[8:], atol=1e-5)


def test_words_without_a_direction_are_left_out_and_counted():
    rng = np.random.default_rng(1)
    old = vectors(rng)
    new = turned(old, rng)
    new.matrix[3], old.matrix[4] = 0, np.nan
    new.matrix[5] *= np.float32(1e30)  # its square overflows float32
    found = w2v_hs.align(old, new)
    assert (found.shared_words, found.without_direction) == (58, 2)
    assert re.search("without direction: zero or not finite +│ 2 ", str(found))
    assert found.mean_cosine_after == pytest.approx(1)


# ---- what is rotated ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"loss": "softmax", "arch": "cbow"}, {"subwords": (3, 4), "buckets": 300}], ids=str
)
def test_a_rotated_model_keeps_its_probabilities_and_can_learn_more(text_file, tmp_path, options):
    old = w2v_hs.train(text_file, seed=3, **OPTIONS)
    new = w2v_hs.train(text_file, **OPTIONS | options)
    found = w2v_hs.align(old, new)
    assert found.mean_cosine_after > found.mean_cosine_before + 0.1
    found.aligned.save(tmp_path / "m.safetensors")
    aligned = w2v_hs.load(tmp_path / "m.safetensors")
    assert not np.allclose(aligned.vectors.matrix, new.vectors.matrix, atol=1e-2)
    for word in new.vectors.words:
        assert aligned.log_prob("king", word) == pytest.approx(new.log_prob("king", word), abs=1e-4)
    if new.ngrams is not None:
        assert np.allclose(aligned.vectors["kingly"], new.vectors["kingly"] @ found.rotation, atol=1e-5)
    assert aligned.provenance["alignment"] == found.as_dict()
    assert "alignment" not in new.provenance
    aligned.update(text_file, epochs=1)


def test_the_command(run, models, tmp_path):
    _, folder = models
    pair = [folder / "old.safetensors", folder / "new.safetensors"]
    done = run("align", *pair, "-o", "aligned.safetensors", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mean cosine after" in done.stdout.decode() and b"wrote aligned.safetensors" in done.stderr
    w2v_hs.load(tmp_path / "aligned.safetensors").log_prob("dog", "cat")
    options = ["--weight", "frequency", "--centre", "--iterate", 2, "--json"]
    done = run("align", *pair, "-o", "aligned.txt", *options, cwd=tmp_path)
    figures = json.loads(done.stdout)
    expected = w2v_hs.align(*models[0].values(), weight="frequency", centre=True, iterate=2)
    assert figures == expected.as_dict()
    aligned = w2v_hs.load_vectors(tmp_path / "aligned.txt")
    assert np.allclose(aligned.matrix, expected.aligned.vectors.matrix)
    # Vectors of other tools, too: without a model there is none to write.
    done = run("align", pair[0], "aligned.txt", "-o", "v.safetensors", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["shared_words"] == figures["shared_words"]
    assert w2v_hs.load_vectors(tmp_path / "v.safetensors").words == aligned.words


# ---- errors -------------------------------------------------------------------------------------


def test_what_cannot_be_aligned_is_refused_in_one_line(fails, models, tmp_path):
    found, folder = models
    rng = np.random.default_rng(1)
    old = vectors(rng)
    for message, a, b, options in (
        ("no shared words: none of 60 and 2 words", old, Vectors(["a", "b"], np.ones((2, 6))), {}),
        ("vectors of 6 and 5 values", old, vectors(rng, dim=5), {}),
        ("5 shared words: a rotation of 6 dimensions needs at least 6", old, old.head(5), {}),
        ("6 shared words: .*, 7 with iterate", old, old.head(6), {"iterate": 1}),
        ("weight='frequency': .* hold no counts", found["old"], found["new"].vectors, {}),
        ("weight='rank': expected one of none, frequency", old, old, {"weight": "rank"}),
        ("iterate=-1: expected a whole number", old, old, {"iterate": -1}),
    ):
        options = {"weight": "frequency"} if "counts" in message else options
        with pytest.raises(OptionError, match=message):
            w2v_hs.align(a, b, **options)
    with pytest.raises(TypeError, match="found str; expected a model or Vectors"):
        w2v_hs.align("old.safetensors", old)
    kept = tmp_path / "kept.safetensors"
    kept.write_text("kept")
    whole = (folder / "new.safetensors").read_bytes()
    (tmp_path / "damaged.safetensors").write_bytes(whole[:-5] + b"damag")
    good = folder / "old.safetensors"
    assert "damaged" in fails("align", good, tmp_path / "damaged.safetensors", "-o", kept)
    assert "no such file" in fails("align", good, tmp_path / "none.safetensors", "-o", kept).lower()
    assert kept.read_text() == "kept"
    message = fails("align", good, folder / "new.safetensors", "-o", folder / "new.safetensors")
    assert "is given twice; writing it would destroy the other" in message
    assert (folder / "new.safetensors").read_bytes() == whole
