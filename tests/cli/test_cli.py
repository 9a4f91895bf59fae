"""The commands as users run them: processes that read and write files."""

import errno
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from shlex import split

import click
import numpy as np
import pytest
from conftest import SHARED, TEXT

import w2v_hs
from w2v_hs.cli import app
from w2v_hs.cli.show import training_summary
from w2v_hs.cli.stopping import exit_when_interrupted
from w2v_hs.errors import VocabularyError


def test_train_from_many_sources(run, tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "a.txt").write_text(TEXT * 50)
    (tmp_path / "texts" / "c.txt").write_text(TEXT * 50)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress((TEXT * 50).encode()))
    done = run(
        *split("train a.txt b.txt.gz texts/ -o m.safetensors --arch cbow --tree balanced --dim 20"),
        *split("--window 8 --epochs 3 --min-count 10 --threads 1 --seed 7 --save-vocab v.txt"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert b"loss by epoch" in done.stderr and done.stdout == b""
    model = w2v_hs.load(tmp_path / "m.safetensors")
    assert model.options == w2v_hs.Options(
        arch="cbow",
        tree="balanced",
        dim=20,
        window=8,
        epochs=3,
        min_count=10,
        threads=1,
        seed=7,
        sample=1e-3,
        lr=0.1,
    )
    assert model.provenance["corpus"]["tokens"] == 150 * len(TEXT.split())
    assert (tmp_path / "v.txt").read_text().splitlines()[0] == "the 1500"

    command = "train a.txt -o n.safetensors --vocab v.txt --epochs 1 --dim 5"
    again = run(*split(command), cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert w2v_hs.load(tmp_path / "n.safetensors").vocabulary.words == model.vocabulary.words


def test_train_from_standard_input_is_the_same(run, model, tmp_path, text_file):
    command = "train - -o m.safetensors --dim 20 --epochs 3 --threads 1 --sample 0"
    done = run(*split(command), input=text_file.read_bytes(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = w2v_hs.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.vectors.matrix, model.vectors.matrix)


def test_train_on_nltk_and_softmax(run, tmp_path):
    if not SHARED.exists():
        pytest.skip("needs NLTK's data")
    done = run(
        *split("train nltk:inaugural -o m.safetensors --loss softmax --max-vocab 200 --dim 8"),
        *split("--epochs 1 --window 2 --lowercase"),
        env={"NLTK_DATA": str(SHARED / "data" / "nltk_data")},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert len(w2v_hs.load(tmp_path / "m.safetensors").vectors) == 200


def test_demo_leaves_a_model_vectors_and_an_evaluation(run, fails, tmp_path):
    done = run("demo", "--epochs", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    model = w2v_hs.load(tmp_path / "w2v-demo" / "model.safetensors")
    vectors = w2v_hs.load_vectors(tmp_path / "w2v-demo" / "vectors.txt")
    np.testing.assert_array_equal(vectors.matrix, model.vectors.matrix)
    results = json.loads((tmp_path / "w2v-demo" / "evaluation.json").read_text())
    assert results["analogies"][0]["seen"] > 5_000
    assert "france" in done.stdout.decode()
    done = run("demo", "--epochs", "1", cwd=tmp_path)  # replaces its own results
    assert done.returncode == 0, done.stderr
    own, names = tmp_path / "own", ["model.safetensors", "vectors.txt", "evaluation.json"]
    for name in names:  # as long as one is somebody's, all stay
        shutil.rmtree(own, ignore_errors=True)
        shutil.copytree(tmp_path / "w2v-demo", own)
        (own / name).write_bytes(b"{}")
        before = {path: path.read_bytes() for path in own.iterdir()}
        assert "model.safetensors: is there already, and not as a demo left it; remove it, or" in fails(
            "demo", "-o", own
        )
        assert {path: path.read_bytes() for path in own.iterdir()} == before


def test_info(run, model, model_file):
    shown = run("info", model_file).stdout.decode()
    assert "learned" in shown and "sha256" in shown and "expected_length_bits" in shown
    assert "corpus decoding errors" in shown
    assert json.loads(run("info", model_file, "--json").stdout) == model.summary()


def test_the_summary_of_many_epochs_is_short_and_explains_a_rise(model):
    held_out = {"sentences": 9, "unigram_nats": 3.0, "sampled_unigram_nats": 3.1, "best_epoch": 7}
    provenance = model.provenance | {"holdout": held_out}
    falling, rising = [9.0 - 0.1 * i for i in range(20)], [5.0 + 0.1 * abs(i - 6) for i in range(20)]
    long = replace(model, losses=falling, holdout_losses=rising, provenance=provenance)
    summary = training_summary(long, Path("m.safetensors"))
    assert (
        "\nloss by epoch: first 9.000 █" in summary and "▁ last 7.100, lowest 7.100 in epoch 20\n" in summary
    )
    assert "last 6.300, lowest 5.000 in epoch 7\n  it rises after epoch 7: the model overfits" in summary
    assert summary.count("rises") == 1 and max(map(len, summary.splitlines())) < 150
    other = training_summary(replace(long, losses=rising, holdout_losses=falling), Path("m.safetensors"))
    assert other.count("rises") == 1 and "it rises after epoch 7: it is measured before each update" in other
    short = training_summary(replace(model, losses=[3.0, None, 2.0]), Path("m.safetensors"))
    assert "loss by epoch: 3.000 - 2.000\n" in short


def test_neighbors_and_analogy(run, model, model_file, tmp_path):
    found = json.loads(run("neighbors", model_file, "paris", "-k", "3", "--json").stdout)
    assert [f["word"] for f in found] == [w for w, _ in model.vectors.most_similar("paris", k=3)]
    asked = ("neighbors", model_file, "paris", "king", "-k", "2")
    assert list(json.loads(run(*asked, "--json").stdout)) == ["paris", "king"]
    printed = run(*asked).stdout.decode()
    assert printed.index("nearest to paris") < printed.index("nearest to king")
    found = json.loads(run("analogy", model_file, "paris", "france", "berlin", "--json").stdout)
    expected = model.vectors.analogy("paris", "france", "berlin")
    assert [f["word"] for f in found] == [w for w, _ in expected]
    model.export(tmp_path / "v.bin")
    assert "berlin" in run("neighbors", tmp_path / "v.bin", "paris").stdout.decode()
    assert "is to" in run("analogy", tmp_path / "v.bin", "paris", "france", "berlin").stdout.decode()


def test_an_unknown_word_does_not_hide_the_neighbours_of_others(run, fails, model_file):
    for options in ((), ("--json",)):
        done = run("neighbors", model_file, "paris", "zebra", "king", "zulu", *options)
        assert done.returncode == 1
        assert [line.split(" is ")[0] for line in done.stderr.decode().splitlines()] == [
            "error: 'zebra'",
            "error: 'zulu'",
        ]
        assert b"paris" in done.stdout and b"king" in done.stdout
    assert list(json.loads(done.stdout)) == ["paris", "king"]
    assert not run("neighbors", model_file, "zebra", "zulu", "--json").stdout


def test_a_word_with_capitals_is_answered_with_its_lower_case(fails, run, model_file, tmp_path, text_file):
    message = "error: 'Paris' is not among the 18 words, but 'paris' is: give it in lower case\n"
    for command in (
        ("neighbors", model_file, "Paris"),
        ("analogy", model_file, "Paris", "france", "berlin"),
        ("predict", model_file, "Paris"),
    ):
        assert fails(*command) == message
    subwords = w2v_hs.train(text_file, dim=4, epochs=1, threads=1, sample=0, subwords=(3, 3))
    subwords.save(tmp_path / "s.safetensors")
    done = run("neighbors", tmp_path / "s.safetensors", "Paris")
    assert b"Paris is not in the vocabulary, but paris is; its vector is that of" in done.stderr


@pytest.mark.parametrize("name", ["v.txt", "v.vec", "v.bin", "v.glove", "v.npz"])
def test_export(run, model, model_file, tmp_path, name):
    done = run("export", model_file, tmp_path / name)
    assert done.returncode == 0, done.stderr
    again = w2v_hs.load_vectors(tmp_path / name)
    np.testing.assert_array_equal(again.matrix, model.vectors.matrix)


def test_evaluate(run, model_file, tmp_path):
    (tmp_path / "pairs.txt").write_text("king\tqueen\t9\ndog\tcat\t8\nking\tmouse\t1\nx\ty\t2\n")
    (tmp_path / "q.txt").write_text(": capitals\nparis france berlin germany\nrome italy x y\n")
    sets = ("--similarity", tmp_path / "pairs.txt", "--analogies", tmp_path / "q.txt")
    arguments = ("evaluate", model_file, *sets, "--restrict-vocab", "30000", "--json")
    done = run(*arguments, tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    part = result["analogies"][0]
    assert (part["seen"], part["total"]) == (1, 2)
    assert part["sections"][0]["name"] == "capitals"
    assert (result["similarity"][0]["used"], result["similarity"][0]["total"]) == (3, 4)
    assert json.loads(run(*arguments, "-").stdout) == result
    assert b"capitals" in done.stdout


def test_corpus_list(run):
    listed = json.loads(run("corpus", "list", "--json").stdout)
    assert {entry["name"]: entry["status"] for entry in listed}["factbook"] == "ready"
    assert b"text8" in run("corpus", "list").stdout


# ---- errors -------------------------------------------------------------------------------------


def test_errors_are_one_line_and_leave_old_files_whole(fails, tmp_path):
    output = tmp_path / "m.safetensors"
    output.write_bytes(b"old")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "rare.txt").write_text("a b c\n")
    (tmp_path / "bad.txt").write_bytes(b"a\xff")
    for name, message in (
        ("empty.txt", "0 tokens in"),
        ("rare.txt", "all 3 types occur fewer than min_count=5"),
        ("bad.txt", "bad.txt:1: byte 1: 0xff is not UTF-8"),
        ("none.txt", "no such file"),
        ("nltk:nothing_like_it", "nltk:nothing_like_it"),
    ):
        assert message in fails("train", tmp_path / name if "." in name else name, "-o", output)
    assert output.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["m.safetensors", "empty.txt", "rare.txt", "bad.txt"]
    )


def test_wrong_usage(fails, tmp_path, text_file, model_file):
    assert "--arch" in fails("train", text_file, "-o", "m.safetensors", "--arch", "x", code=2)
    assert "must end in .safetensors" in fails("train", text_file, "-o", tmp_path / "m.bin", code=2)
    assert "dim=0" in fails("train", text_file, "-o", tmp_path / "m.safetensors", "--dim", "0")
    assert "'zebra'" in fails("neighbors", model_file, "zebra")
    assert "no such file" in fails("info", tmp_path / "none.safetensors")
    assert "none.bin" in fails("neighbors", tmp_path / "none.bin", "a")
    assert "cannot write" in fails("train", text_file, "-o", tmp_path / "no" / "m.safetensors")
    assert "is a folder" in fails("evaluate", model_file, "--json", tmp_path)
    assert "loss=softmax" not in fails("export", model_file, tmp_path / "v.unknown")


def test_nothing_is_written_over_what_is_read(fails, tmp_path, text_file, model_file):
    text = tmp_path / "t.txt"
    text.write_text(TEXT * 20)
    output = tmp_path / "m.safetensors"
    fails("train", text, "-o", output, "--save-vocab", text)
    fails("train", text, "-o", output, "--save-vocab", output)
    fails("evaluate", model_file, "--json", model_file)
    fails("train", "", "-o", output, code=2)
    assert "the output '-'" in fails("export", model_file, "-", "--format", "glove")
    assert text.read_text() == TEXT * 20 and not output.exists()


def test_devices_pipes_and_links_are_not_replaced(fails, run, tmp_path, model_file):
    os.mkfifo(tmp_path / "pipe.txt")
    assert "a device or a pipe" in fails("export", model_file, tmp_path / "pipe.txt")
    (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
    assert run("export", model_file, tmp_path / "link.txt").returncode == 0
    assert (tmp_path / "link.txt").is_symlink() and (tmp_path / "real.txt").stat().st_size > 100
    assert run("export", model_file, tmp_path / ("x" * 251 + ".txt")).returncode == 0
    assert "cannot write there" in fails("export", model_file, tmp_path / ("x" * 252 + ".txt"))


def test_words_are_shown_as_they_are(run, tmp_path):
    words = ["x", "[/]", "[red]", ":smile:", "[bold]y[/bold]", "\x1b[31m", "é…"]
    model = w2v_hs.train([words] * 30, min_count=1, dim=4, epochs=1, sample=0, threads=1)
    model.save(tmp_path / "m[red].safetensors")
    shown = run("neighbors", tmp_path / "m[red].safetensors", "[/]").stdout.decode()
    for word in ("[red]", ":smile:", "[bold]y[/bold]", "\\x1b[31m", "nearest to [/]"):
        assert word in shown
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    plain = run("neighbors", tmp_path / "m[red].safetensors", "x", env=ascii_only)
    assert plain.returncode == 0, plain.stderr
    assert run("info", tmp_path / "m[red].safetensors").returncode == 0


def test_a_title_longer_than_its_table_stays_on_one_line(run, tmp_path):
    word = "a-word-that-is-longer-than-the-table-of-its-neighbours"
    w2v_hs.train([[word, "b"]] * 30, dim=4, epochs=1, sample=0).save(tmp_path / "m.safetensors")
    printed = run("neighbors", tmp_path / "m.safetensors", word, env={"COLUMNS": "80"}).stdout.decode()
    assert f"nearest to {word}" in printed


def test_a_full_standard_output_is_one_line(model_file):
    command = [sys.executable, "-m", "w2v_hs", "info", str(model_file)]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1
    assert done.stderr.decode() == "error: standard output: No space left on device\n"


def test_closed_streams(model_file, tmp_path):
    """No file takes their place, which would get what is meant for them."""
    show, write = ("info", model_file), ("export", model_file, tmp_path / "v.txt")
    for command, closed, code, message in (
        (show, ">&-", 1, "error: standard output: Bad file descriptor\n"),
        (show, "<&- >&- 2>&-", 1, ""),
        (write, "<&- >&- 2>&-", 0, ""),
        (("none",), "<&- >&- 2>&-", 2, ""),
    ):
        script = [f'exec "$@" {closed}', "sh", sys.executable, "-m", "w2v_hs", *map(str, command)]
        done = subprocess.run(["sh", "-c", *script], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (code, message)
    assert len(w2v_hs.load_vectors(tmp_path / "v.txt")) == len(w2v_hs.load(model_file).vectors)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.EIO, "Input/output error", "/data/x.txt"), "error: /data/x.txt: Input/output error"),
        (OSError(errno.EMFILE, "Too many open files"), "error: the system: Too many open files"),
        (MemoryError(), "error: out of memory"),
    ],
)
def test_an_error_of_the_system_is_not_blamed_on_the_output_or_on_dim(error, line, monkeypatch, capfd):
    def fail():
        raise error

    monkeypatch.setitem(app.commands.commands, "fail", click.Command("fail", callback=fail))
    monkeypatch.setattr(sys, "argv", ["w2v-hs", "fail"])
    assert app._run() == 1
    assert capfd.readouterr() == ("", f"{line}\n")
    with pytest.raises(VocabularyError, match="out of memory; lower dim"), exit_when_interrupted():
        raise MemoryError


@pytest.mark.skipif(os.name != "posix", reason="a working directory cannot be removed")
def test_a_working_directory_that_is_gone_is_named(tmp_path):
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$0" -m w2v_hs train t.txt -o m.safetensors'
    done = subprocess.run(["sh", "-c", script, sys.executable], cwd=tmp_path, capture_output=True, text=True)
    expected = "error: the working directory, which was removed: No such file or directory\n"
    assert (done.returncode, done.stderr) == (1, expected)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_told_before_training(fails, text_file, tmp_path):
    tmp_path.chmod(0o500)
    assert "cannot write there" in fails("train", text_file, "-o", tmp_path / "m.safetensors")


def test_warning_about_threads_is_one_line(run, text_file, tmp_path):
    few = split("--threads 9999 --dim 4 --epochs 1")
    done = run("train", text_file, "-o", tmp_path / "m.safetensors", *few)
    assert done.returncode == 0
    assert done.stderr.decode().startswith("warning: threads=9999: this process may use")


def test_version(run):
    assert w2v_hs.version.__version__ in run("--version").stdout.decode()


def test_ctrl_c_while_modules_are_imported_is_one_line(run, tmp_path):
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)")
    done = run("--version", env={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (130, b"stopped\n")


def test_sigterm_at_any_time_leaves_one_line_and_no_files(tmp_path):
    """While modules are imported, and while text is read and the output is locked."""
    early, folder = tmp_path / "early", tmp_path / "folder"
    early.mkdir(), folder.mkdir()
    (early / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)")
    command = [sys.executable, "-m", "w2v_hs", "train", "-", "-o", str(folder / "m.safetensors")]
    for path in (str(early), ""):
        path = os.pathsep.join([path, *sys.path]).strip(os.pathsep)
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
        )
        if not path.startswith(str(early)):
            process.stdin.write(b"the king and the queen\n" * 1000)
            process.stdin.flush()
            until = time.monotonic() + 60
            while not list(folder.iterdir()) and time.monotonic() < until:
                time.sleep(0.02)
            process.terminate()
            process.terminate()  # as `timeout` does
        process.wait(timeout=60)
        assert (process.returncode, process.stderr.read()) == (143, b"stopped\n")
        assert not list(folder.iterdir())


def test_what_a_folder_or_pattern_takes_in_is_not_written_over(fails, run, tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(TEXT * 20)
    first = folder / "a.txt"
    for text in (folder, folder / "*.txt", tmp_path / "**" / "*.txt"):
        assert "one of the files of" in fails("phrases", text, "-o", first)
        out = tmp_path / "m.safetensors"
        assert "one of the files of" in fails("train", text, "-o", out, "--save-vocab", first)
    assert first.read_text() == TEXT * 20
    done = run("phrases", folder, "-o", folder / "new.txt")  # nothing there to lose
    assert done.returncode == 0, done.stderr


def test_sigterm_is_heeded_where_python_ignores_exceptions():
    program = """if True:
        import os, signal
        from pathlib import Path
        from w2v_hs.termination import terminate, unfinished
        signal.signal(signal.SIGTERM, terminate)
        unfinished.add(Path(os.devnull, "cannot be removed"))
        class Dying:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGTERM)
        Dying()
        print("still there", flush=True)
        """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (143, b"", b"stopped\n")
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full)
    assert (done.returncode, done.stdout) == (143, b"")


def test_a_second_sigterm_does_not_stop_a_command_that_ends():
    """As `timeout` sends it, when a run has stopped."""
    program = """if True:
        import click, os, signal
        from w2v_hs.cli.stopping import exit_when_interrupted
        from w2v_hs.errors import Interrupted
        from w2v_hs.termination import terminate
        signal.signal(signal.SIGTERM, terminate)
        try:
            with click.Context(click.Command("train")), exit_when_interrupted():
                raise Interrupted("stopped", None, signal.SIGTERM, None)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            print("removed")
        """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.stdout == b"removed\n", done.stderr


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("evaluate {model} --columns a b c", "--columns without"),
        ("evaluate {model} --analogies ''", "empty name"),
        ("export {model} x.txt --weights output --from-format npz", "--from-format with"),
        ("train {text} -o m.safetensors --loss softmax --tree huffman", "--tree with"),
        ("train {text} -o m.safetensors --window Sentence", "neither a whole number nor 'sentence'"),
        ("train {text} -o m.safetensors --rounds 3", "--rounds without"),
        ("train {text} --resume-from {model} --min-count 3", "--min-count without"),
        ("train {text} --resume-from {model} --window 3", "--window with"),
        ("train {text} --resume-from {model} --side left", "--side with"),
        ("train {text} --resume-from {model} --no-shrink-windows", "--shrink-windows with"),
        ("train {text} --resume-from {model} --vocab v.txt", "--vocab with"),
        ("train {text} --resume-from {model} --scheduler tcp://host:1", "--resume-from with"),
    ],
)
def test_options_without_effect_are_refused(fails, text_file, model_file, tmp_path, command, message):
    line = command.format(text=text_file, model=model_file)
    assert message in fails(*split(line), cwd=tmp_path, code=2)


def test_subwords(run, fails, tmp_path, text_file):
    """Words that were never seen, from training to a file of fastText."""
    options = "--subwords 3-5 --buckets 4000 --dim 12 --epochs 2 --threads 1 --sample 0"
    done = run("train", text_file, *split(f"-o m.safetensors {options}"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run(*split("neighbors m.safetensors kingly -k 2 --json"), cwd=tmp_path)
    assert b"kingly is not in the vocabulary" in done.stderr
    assert len(json.loads(done.stdout)) == 2
    message = "error: 'qqq' is not among the 18 words, and none of its n-grams is known\n"
    assert fails("neighbors", tmp_path / "m.safetensors", "qqq") == message
    (tmp_path / "pairs.tsv").write_text("king\tqueen\t9\nkingly\tcat\t2\nking\tqueenly\t8\nqqq\tcat\t1\n")
    done = run(*split("evaluate m.safetensors --similarity pairs.tsv --oov subwords"), cwd=tmp_path)
    told = "2 words from subwords; 1 pair with a word none of whose n-grams is known"
    assert told in done.stdout.decode()
    done = run(*split("export m.safetensors v.bin --format fasttext"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    model, vectors = w2v_hs.load(tmp_path / "m.safetensors"), w2v_hs.load_vectors(tmp_path / "v.bin")
    np.testing.assert_array_equal(vectors["kingly"], model.vectors["kingly"])
    (tmp_path / "news.txt").write_text("the kingly king rules\n" * 20)
    done = run(*split("train --resume-from m.safetensors --update-vocab news.txt --threads 1"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "kingly" in w2v_hs.load(tmp_path / "m.safetensors").vectors
    output = split("-o n.safetensors")
    assert "--buckets without --subwords" in fails("train", text_file, *output, "--buckets", 9, code=2)
    sentence = ["--window", "sentence", "--no-shrink-windows"]
    assert "--shrink-windows with --window" in fails("train", text_file, *output, *sentence, code=2)
    assert "'a-b' is not a range" in fails("train", text_file, *output, "--subwords", "a-b", code=2)
    assert "subwords=(5, 3): expected" in fails("train", text_file, *output, "--subwords", "5-3")
    (tmp_path / "plain.txt").write_text("2 2\na 1 0\nb 0 1\n")
    assert "these vectors have none" in fails("evaluate", tmp_path / "plain.txt", "--oov", "subwords")
