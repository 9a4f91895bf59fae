"""Help texts and their examples, exit codes, shell completion, colours and progress bars."""

import itertools
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest
from conftest import TEXT, train_leaving

import w2v_hs
from w2v_hs.classifier import TextClassifier, read_labelled
from w2v_hs.cli.app import commands

ROOT = Path(__file__).parents[2]
# The pages with the tables of commands and of the options of `train`, and with shell completion.
PAGES = ("README.md", "docs/commands.md", "docs/options.md")
REFERENCE = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
WORDS = "coffee tea new york"  # further words in the examples

# Files that examples read. Each example runs in its own copy of the folder that holds them.
TEXTS = ["wiki.txt", "held-out.txt", "news.txt", "sentences.txt", "phrases.txt", "raw.txt"]
TEXTS += ["a.txt", "b.txt.gz", "texts/c.txt"]
MODELS = {
    "model.safetensors": "learned",
    "m.safetensors": "learned",
    "learned.safetensors": "learned",
    "huffman.safetensors": "huffman",
    "old.safetensors": "learned",
    "new.safetensors": "huffman",
    "new-2.safetensors": "balanced",
    "m2.safetensors": "huffman",
    "m-replicas/1.safetensors": "learned",
    "m-replicas/2.safetensors": "huffman",
}
VECTORS = "vectors.bin"
LABELLED = ("reviews.txt", "new-reviews.txt")
CLASSIFIER = "reviews.safetensors"
CHECKPOINT = "m.checkpoint.safetensors"  # of a run on wiki.txt
PAIRS = "pairs.tsv"
OPTIONS = {"dim": 8, "epochs": 5, "threads": 1, "sample": 0}
# Examples that do not run: they need the network or a cluster, or take minutes.
NETWORK = (
    "w2v-hs corpus fetch ",
    "w2v-hs train s3://",
    "w2v-hs resume m.checkpoint.safetensors --scheduler ",
)
LONG = ("w2v-hs demo",)  # test_cli.py has a short one
EXAMPLE = re.compile(r"\s*(echo .*\| )?w2v-hs ")


def tree(group=commands, path=()):
    """All commands and groups by full name, the program itself first."""
    yield " ".join(("w2v-hs", *path)), group
    for name, command in getattr(group, "commands", {}).items():
        yield from tree(command, (*path, name))


def examples(command):
    """The commands in the unwrapped paragraphs of a help text."""
    for paragraph in re.split(r"\n\s*\n", command.help):
        first, *lines = paragraph.splitlines()
        if first.strip() == "\b":
            yield from (line.strip() for line in lines if EXAMPLE.match(line))


COMMANDS = dict(tree())
EXAMPLES = list(dict.fromkeys(itertools.chain(*map(examples, COMMANDS.values()))))
RUNNING = [line for line in EXAMPLES if not line.startswith(NETWORK + LONG)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, program):
    """A folder with the files that examples read, and `w2v-hs` in its folder bin."""
    import gzip

    folder = tmp_path_factory.mktemp("prepared")
    text = (TEXT + WORDS + "\n") * 100
    for name in TEXTS:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    for kind in dict.fromkeys(MODELS.values()):
        model = w2v_hs.train(folder / "wiki.txt", tree=kind, **OPTIONS)
        for name in (name for name, of in MODELS.items() if of == kind):
            (folder / name).parent.mkdir(exist_ok=True)
            model.save(folder / name)
    model.export(folder / VECTORS)
    for name in LABELLED:
        (folder / name).write_text("__label__pos a film to remember\n__label__neg never again\n" * 5)
    clf = TextClassifier(dim=8).fit(*read_labelled(folder / LABELLED[0]))
    clf.save(folder / CLASSIFIER)
    # Written whenever the tree is relearned, and left behind as by a killed run.
    train_leaving(folder / CHECKPOINT, folder / "wiki.txt", **OPTIONS)
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    (folder / "data").mkdir()
    parquet.write_table(pyarrow.table({"text": text.splitlines()}), folder / "data" / "a.parquet")
    (folder / PAIRS).write_text("king\tqueen\t9\ndog\tcat\t8\nking\tmouse\t1\n")
    script = folder / "bin" / "w2v-hs"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.mark.parametrize(("name", "command"), COMMANDS.items(), ids=COMMANDS)
def test_every_command_is_documented(name, command):
    assert list(examples(command)), f"{name} has no example in its help"
    assert all(line.isprintable() for line in EXAMPLES)
    if command is not commands:
        short = command.get_short_help_str(limit=60)
        assert not short.endswith("..."), f"{name}: its first sentence does not fit a line"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name}: {parameter.opts}"
    if not isinstance(command, click.Group):
        assert re.search(rf"^\| `{name}[ `]", REFERENCE, re.MULTILINE), f"not in the reference: {name}"


def test_every_option_of_train_is_in_the_reference():
    for parameter in commands.commands["train"].params:
        if isinstance(parameter, click.Option):
            assert f"\n| `{parameter.opts[-1]}` |" in REFERENCE, parameter.opts


@pytest.fixture(scope="module")
def outcomes(prepared, tmp_path_factory):
    """The finished process of each example, run by a shell in its own folder."""

    def outcome(line):
        folder = tmp_path_factory.mktemp("example") / "here"
        shutil.copytree(prepared, folder)
        # The model of the run that is resumed is not there yet.
        (folder / ("m.safetensors" if CHECKPOINT in line else CHECKPOINT)).unlink()
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            capture_output=True,
            cwd=folder,
            env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"},
            timeout=300,
        )

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(RUNNING, pool.map(outcome, RUNNING), strict=True))


@pytest.mark.parametrize("line", RUNNING)
def test_every_example_runs(outcomes, line):
    done = outcomes[line]
    assert done.returncode == 0, done.stderr.decode()
    assert b"\x1b" not in done.stdout + done.stderr  # neither is a terminal


def test_examples_that_do_not_run_exist():
    for begin in NETWORK + LONG:
        assert any(line.startswith(begin) for line in EXAMPLES)


def test_the_reference_lists_no_command_that_does_not_exist():
    for name in re.findall(r"^\| `(w2v-hs(?: [a-z]+)+)", REFERENCE, re.MULTILINE):
        assert name in COMMANDS


# ---- exit codes and completion ------------------------------------------------------------------


def test_exit_codes(run, prepared):
    assert run("--help").returncode == run("tree", "-h").returncode == 0
    assert run("info", prepared / "none.safetensors").returncode == 1
    for wrong in ((), ("tree",), ("nothing",), ("info",), ("info", "--nothing", "m.safetensors")):
        done = run(*wrong)
        assert done.returncode == 2, wrong
        assert done.stderr.startswith(b"Usage: w2v-hs") and done.stdout == b""
    # 130 and 143: see test_checkpoint.py
    for code in ("0", "1", "2", "130", "143"):
        assert re.search(rf"^    {code}  ", run("--help").stdout.decode(), re.MULTILINE)


def completed(run, *words):
    """Completions of the last word, as `kind,value`."""
    done = run(
        env={
            "_W2V_HS_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("w2v-hs", *words)),
            "COMP_CWORD": str(len(words)),
        }
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().split()


def test_shells_complete_commands_options_names_and_files(run):
    assert completed(run, "tr") == ["plain,train", "plain,tree"]
    assert completed(run, "tree", "s") == ["plain,show", "plain,stats"]
    assert "plain,--min-count" in completed(run, "train", "--m")
    assert completed(run, "train", "--arch", "c") == ["plain,cbow"]
    assert completed(run, "train", "--tree", "h") == ["plain,huffman"]
    assert completed(run, "train", "--tree", "my") == ["file,my"]
    assert completed(run, "train", "fact") == ["plain,factbook"]
    assert completed(run, "perplexity", "m.safetensors", "held") == ["file,held"]
    assert completed(run, "predict", "m") == ["file,m"]
    assert completed(run, "corpus", "fetch", "text") == ["plain,text8"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_take_the_completion_script(run, shell):
    done = run(env={"_W2V_HS_COMPLETE": f"{shell}_source"})
    assert done.returncode == 0, done.stderr
    script = done.stdout.decode()
    assert f"_W2V_HS_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script.encode(), check=True)
    for place in (REFERENCE, run("--help").stdout.decode()):
        assert f"_W2V_HS_COMPLETE={shell}_source w2v-hs" in place


def test_bash_completes_with_the_script(prepared):
    line = (
        'eval "$(_W2V_HS_COMPLETE=bash_source w2v-hs)"; '
        "COMP_WORDS=(w2v-hs corpus fetch text) COMP_CWORD=3; "
        "compopt() { :; }; _w2v_hs_completion w2v-hs; echo ${COMPREPLY[*]}; complete -p w2v-hs"
    )
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        env={**os.environ, "PATH": f"{prepared}/bin:{os.environ['PATH']}"},
    )
    assert done.stdout.decode().splitlines()[0] == "text8", done.stderr
    assert b"-F _w2v_hs_completion w2v-hs" in done.stdout


# ---- terminals ----------------------------------------------------------------------------------


def on_terminal(*arguments, **env):
    """Run `w2v-hs` on a terminal of 80 columns; returns its output."""
    master, slave = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | env
    process = subprocess.Popen(
        [sys.executable, "-m", "w2v_hs", *map(str, arguments)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={"COLUMNS": "80"} | env,
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            shown += os.read(master, 1 << 16)
        except OSError:  # the process has closed the other end
            break
    os.close(master)
    assert process.wait() == 0, shown.decode()
    return shown.decode()


COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7])(?:;[0-9;]*)?m")


def test_terminal_capabilities_are_respected(prepared, tmp_path):
    command = ("train", prepared / "wiki.txt", "-o", tmp_path / "m.safetensors", "--dim", "8")
    shown = on_terminal(*command, TERM="xterm-256color")
    assert "words/s" in shown and COLOUR.search(shown)
    plain = on_terminal(*command, TERM="xterm-256color", NO_COLOR="1")
    assert "words/s" in plain and "\x1b" in plain and not COLOUR.search(plain)
    dumb = on_terminal(*command, TERM="dumb")
    assert "wrote" in dumb and "\x1b" not in dumb


def test_long_table_cells_wrap(run, prepared):
    narrow = run("info", prepared / "model.safetensors", env={"COLUMNS": "40"}).stdout.decode()
    cells = "".join(line.split("│")[2].strip() for line in narrow.splitlines() if "│" in line)
    facts = w2v_hs.load(prepared / "model.safetensors").provenance["corpus"]
    assert facts["sha256"] in cells and "…" not in narrow
