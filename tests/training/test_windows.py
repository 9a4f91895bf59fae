"""Which words are inputs of a prediction: the side, and the size of windows."""

import json
import math

import naive
import pytest

import w2v_hs
from w2v_hs.errors import CorpusError
from w2v_hs.files.container import load_arrays, save_arrays
from w2v_hs.text.corpus import LONGEST_SENTENCE

MODES = [
    {"arch": arch} | layer
    for arch in ("skipgram", "cbow")
    for layer in ({"tree": "huffman"}, {"tree": "learned"}, {"loss": "softmax"}, {"subwords": (2, 3)})
]
MODES.append({"loss": "softmax", "subwords": (2, 3)})
SMALL = {"dim": 8, "lr": 0.025, "epochs": 2, "sample": 0, "min_count": 1, "threads": 1}
# Sentences of 1 to 7 words, the longest with others between.
SENTENCES = [[f"w{(3 * line + i * i) % 11}" for i in range(1 + line % 7)] for line in range(200)]


def options_of(mode):
    return "-".join(map(str, mode.values()))


@pytest.mark.parametrize("mode", MODES, ids=options_of)
def test_left_predicts_what_comes_next_and_right_what_came_before(mode):
    chains = [["one", "two", "three"], ["red", "green", "blue"]] * 300
    options = SMALL | {"epochs": 10, "window": 1, "lr": 0.1} | mode
    left = w2v_hs.train(chains, side="left", **options)
    right = w2v_hs.train(chains, side="right", **options)
    for before, word, after in chains[:2]:
        assert left.top_k(before, 1).words == [word] and left.top_k(word, 1).words == [after]
        assert right.top_k(after, 1).words == [word] and right.top_k(word, 1).words == [before]
        assert left.log_prob(word, before) < math.log(0.05) > right.log_prob(word, after)
    for model in (left, right):  # a word at the end has no context on this side
        predictions = 10 * 2 * len(chains)
        assert model.provenance["predictions"] == predictions


@pytest.mark.parametrize("side", ["left", "right", "both"])
@pytest.mark.parametrize("window", [2, None])
@pytest.mark.parametrize("mode", MODES, ids=options_of)
def test_each_word_is_predicted_from_all_words_of_its_full_window(mode, window, side):
    model = w2v_hs.train(SENTENCES, window=window, shrink_windows=False, side=side, **SMALL | mode)
    reach = window or LONGEST_SENTENCE
    sides = reach * (side != "right"), reach * (side != "left")
    cbow = mode.get("arch") == "cbow"
    expected = sum(len([*naive.predictions(sentence, *sides, cbow)]) for sentence in SENTENCES)
    assert model.provenance["predictions"] == 2 * expected
    before = model.options
    model.update(SENTENCES[:70], epochs=1, threads=1)
    expected = sum(len([*naive.predictions(sentence, *sides, cbow)]) for sentence in SENTENCES[:70])
    assert model.provenance["updates"][0]["predictions"] == expected
    assert model.options == before


@pytest.mark.parametrize("mode", MODES, ids=options_of)
def test_the_sentence_as_window_is_the_full_window_of_the_longest(mode):
    whole = w2v_hs.train(SENTENCES, window=None, **SMALL | mode)
    longest = w2v_hs.train(SENTENCES, window=6, shrink_windows=False, **SMALL | mode)
    drawn = w2v_hs.train(SENTENCES, window=6, **SMALL | mode)
    assert whole.vectors.matrix.tobytes() == longest.vectors.matrix.tobytes()
    assert whole.vectors.matrix.tobytes() != drawn.vectors.matrix.tobytes()


def test_several_threads_train_whole_sentences(monkeypatch):
    monkeypatch.setattr("w2v_hs.options.available_cores", lambda: 3)
    model = w2v_hs.train(SENTENCES * 20, window=None, **SMALL | {"threads": 3})
    assert model.provenance["predictions"] == 2 * 20 * sum(len(s) * (len(s) - 1) for s in SENTENCES)


@pytest.mark.parametrize("layer", [{}, {"loss": "softmax"}, {"subwords": (2, 3)}], ids=options_of)
def test_a_sentence_as_window_is_trained_whole_or_refused(layer):
    words = [f"w{i % 7}" for i in range(LONGEST_SENTENCE)]
    options = SMALL | {"epochs": 1, "window": None, "dim": 300, "lr": 1e-4} | layer
    model = w2v_hs.train([words[1:]], **options)
    assert model.provenance["predictions"] == 999 * 998
    with pytest.raises(CorpusError, match="a sentence of 1,000 words or more, where sentences are cut"):
        w2v_hs.train([words], **options)
    w2v_hs.train([words], **options | {"window": 3})


def test_windows_are_stored_and_shown(run, fails, tmp_path):
    (tmp_path / "t.txt").write_text("".join(" ".join(line) + "\n" for line in SENTENCES))
    command = ("train", "t.txt", "-o", "m.safetensors", "--epochs", "1", "--sample", "0", "--window")
    done = run(*command, "sentence", "--side", "left", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "m.safetensors"
    assert w2v_hs.load(path).options.window is None
    shown = json.loads(run("info", path, "--json").stdout)["options"]
    assert (shown["window"], shown["side"], shown["shrink_windows"]) == ("sentence", "left", False)
    assert "probable after w3" in run("predict", path, "w3").stdout.decode()
    assert "'all' is neither a whole number nor 'sentence'" in fails(*command, "all", cwd=tmp_path, code=2)
    (tmp_path / "t.txt").write_text("a b " * 500)
    assert "t.txt: --window sentence and a sentence of 1,000" in fails(*command, "sentence", cwd=tmp_path)
    arrays, description = load_arrays(path)
    for name in ("window", "side", "shrink_windows"):
        del description["options"][name]
    save_arrays(path, arrays, description)  # as files from before there were any
    options = w2v_hs.load(path).options
    assert (options.window, options.side, options.shrink_windows) == (5, "both", True)
