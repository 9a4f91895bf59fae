"""The commands `classify train`, `predict` and `evaluate`."""

import json
import signal
import subprocess
import sys
import time

import pytest

from w2v_hs.classifier import TextClassifier, read_labelled

LINES = (
    "__label__pos a film to remember\n__label__neg never again\n__label__pos fine\n__label__neg no fine end\n"
)
TEST = "__label__pos a fine film\n__label__neg again and again\n__label__neg a film\n__label__odd fine end\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviews")
    (folder / "train.txt").write_text(LINES * 10)
    (folder / "test.txt").write_text(TEST)
    return folder


@pytest.fixture
def model(run, files, tmp_path):
    done = run("classify", "train", files / "train.txt", "-o", tmp_path / "m.safetensors", "--threads", 1)
    assert done.returncode == 0, done.stderr
    return tmp_path / "m.safetensors"


def test_train_writes_the_classifier_of_the_estimator(run, files, model, tmp_path):
    expected = TextClassifier().fit(*read_labelled(files / "train.txt"))
    assert (TextClassifier.load(model).model_.vectors == expected.model_.vectors).all()
    options = {"dim": 6, "word_ngrams": 2, "epochs": 3, "lr": 0.3, "min_count": 2, "seed": 5, "loss": "hs"}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    more = ("--subwords", "2-3", "--buckets", 100, "--tree", "huffman", "--lowercase", "--tokenize", "words")
    path = tmp_path / "n.safetensors"
    done = run(
        "classify", "train", "-", "-o", path, "--threads", 1, *flags, *more, input=(LINES * 10).encode()
    )
    assert done.returncode == 0 and done.stdout == b""
    options |= {"subwords": (2, 3), "buckets": 100, "tree": "huffman", "lowercase": True, "tokenize": "words"}
    expected = TextClassifier(**options).fit(*read_labelled(files / "train.txt"))
    found = TextClassifier.load(path)
    assert (found.model_.vectors == expected.model_.vectors).all()
    assert found.get_params() == expected.get_params() | {"n_jobs": 1}
    summary = done.stderr.decode()
    for part in (
        "40 texts, 2 labels, 100 tokens",
        "n-grams",
        "words/s, 1 thread)",
        "loss by epoch: ",
        f"wrote {path}",
    ):
        assert part in summary


def test_predict(run, model):
    clf = TextClassifier.load(model)
    texts = ["a fine film", "again"]
    labels, probabilities = clf.top_k(texts, 2)
    lines = [
        "  ".join(f"{label} {p:.4f}" for label, p in zip(*row, strict=True))
        for row in zip(labels, probabilities, strict=True)
    ]
    assert run("classify", "predict", model, *texts, "-k", "5").stdout.decode().splitlines() == lines
    piped = run("classify", "predict", model, "-", "--json", input="\n".join(texts).encode())
    found = json.loads(piped.stdout)
    assert [each["text"] for each in found] == texts
    assert [each["predictions"][0] for each in found] == [
        {"label": label, "probability": p} for label, p in zip(labels[:, 0], probabilities[:, 0], strict=True)
    ]
    assert run("classify", "predict", model, "-", input=b"").stdout == b""
    many = run("classify", "predict", model, "-", input="\n".join(texts * 1500).encode())
    assert many.stdout.decode().splitlines() == [line.split("  ")[0] for line in lines] * 1500
    refused = run("classify", "predict", model, "again", model)
    assert refused.returncode == 2 and b"is a file; to classify its lines: - < " in refused.stderr


def test_evaluate_counts_as_by_hand(run, files, model):
    found = json.loads(run("classify", "evaluate", model, files / "test.txt", "--json").stdout)
    predicted = json.loads(
        run(
            "classify", "predict", model, "a fine film", "again and again", "a film", "fine end", "--json"
        ).stdout
    )
    gold = ["pos", "neg", "neg", "odd"]
    right = sum(p["predictions"][0]["label"] == label for p, label in zip(predicted, gold, strict=True))
    assert 0 < right < 4
    assert found["precision"] == found["recall"] == right / 4
    assert (found["texts"], found["labels"], found["unknown_labels"], found["k"]) == (4, 4, 1, 1)
    both = json.loads(run("classify", "evaluate", model, files / "test.txt", "-k", 9, "--json").stdout)
    assert (both["k"], both["precision"], both["recall"]) == (2, 3 / 8, 3 / 4)
    shown = run("classify", "evaluate", model, files / "test.txt").stdout.decode()
    assert "precision at 1" in shown and f"{found['log_loss']:.4f}" in shown


def test_errors_are_one_line(run, fails, files, model, tmp_path):
    output = tmp_path / "n.safetensors"
    (tmp_path / "bad.txt").write_text("__label__a x\nno label\n")
    assert "bad.txt:2: no label in 'no label'" in fails(
        "classify", "train", tmp_path / "bad.txt", "-o", output
    )
    assert "holds one label" in fails("classify", "train", "-", "-o", output, input=b"__label__a x\n")
    assert "epochs=0" in fails("classify", "train", files / "train.txt", "-o", output, "--epochs", 0)
    same = ("train", files / "train.txt", output, "-o", output)
    assert "given twice" in fails("classify", *same)
    assert "must end in .safetensors" in fails("classify", "train", "a.txt", "-o", "b.txt", code=2)
    more = ("-o", output, "--pretrained", tmp_path / "none.txt")
    assert "none.txt: cannot be read: No such" in fails("classify", "train", files / "train.txt", *more)
    assert not output.exists()
    assert "not a readable .safetensors file" in fails("classify", "predict", files / "train.txt", "x")
    assert "k=0: expected a whole number" in fails("classify", "predict", model, "x", "-k", 0)
    assert "stands alone" in fails("classify", "predict", model, "-", "x", code=2)
    assert "contains a text classifier" in fails("tree", "stats", model)
    assert ":1: no label in 'x'" in fails("classify", "evaluate", model, "-", input=b"x\n")


def test_info_shows_what_a_classifier_is(run, files, model, tmp_path):
    shown = " ".join(run("info", model).stdout.decode().replace("│", " ").split())
    for row in ("kind text classifier", "labels 2: neg, pos", "options loss softmax", "texts 40"):
        assert row in shown
    numbered = TextClassifier(loss="hs", epochs=2).fit(["a", "b", "c"] * 9, list(range(3)) * 9)
    numbered.save(tmp_path / "n.safetensors")
    found = json.loads(run("info", tmp_path / "n.safetensors", "--json").stdout)
    assert found == numbered.model_.summary() and found["labels"] == [0, 1, 2]
    assert found["tree"]["inner_nodes"] == 2 and found["vocabulary"]["words"] == 3
    assert len(found["losses"]) == 2


def test_models_of_words_are_no_classifiers(fails, text_file, tmp_path):
    import w2v_hs

    w2v_hs.train(text_file, dim=4, epochs=1, threads=1).save(tmp_path / "m.safetensors")
    message = fails("classify", "predict", tmp_path / "m.safetensors", "x")
    assert "holds no text classifier; write one with 'w2v-hs classify train'" in message


def test_a_run_that_is_stopped_leaves_no_file(files, tmp_path):
    command = [
        sys.executable,
        "-m",
        "w2v_hs",
        "classify",
        "train",
        files / "train.txt",
        "--epochs",
        "1000000",
    ]
    process = subprocess.Popen([*command, "-o", tmp_path / "m.safetensors"], stderr=subprocess.PIPE)
    for line in process.stderr:
        if line.startswith(b"training"):
            break
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    assert process.stderr.read().splitlines()[-1] == b"stopped"
    assert process.wait() == 130 and time.monotonic() - started < 30
    assert not list(tmp_path.iterdir())


WITHOUT_SKLEARN = """
import sys
sys.modules["sklearn"] = None  # as where it is not installed
from w2v_hs.__main__ import main
main()
"""


def test_the_commands_need_no_scikit_learn(files, model):
    arguments = ("classify", "evaluate", model, files / "test.txt", "--json")
    done = subprocess.run([sys.executable, "-c", WITHOUT_SKLEARN, *arguments], capture_output=True)
    assert done.returncode == 0 and json.loads(done.stdout)["texts"] == 4, done.stderr
