import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import settings

# Each core has a worker. Threads of BLAS beside them wait for each other, up to 40 times as long.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

settings.register_profile("default", deadline=None, max_examples=60)
settings.load_profile("default")

SHARED = Path(__file__).resolve().parents[2] / "shared"

TEXT = """the king rules the land and the queen rules the sea
the dog chases the cat and the cat chases the mouse
paris is the capital of france and berlin is the capital of germany
"""


# Between them all kernels that take long to compile, in two processes.
COMPILE = (
    """
w2v_hs.train(sentences, **small, epochs=2, subwords=(3, 4), holdout=0.1).top_k("a")
for loss in ("softmax", "hs"):
    clf = TextClassifier(loss=loss, dim=2, epochs=2, word_ngrams=2).fit(["a b", "c d"], [0, 1])
    clf.evaluate(["a"], [0])
""",
    """
w2v_hs.train(sentences, **small, epochs=1, arch="cbow", tree="huffman")
w2v_hs.train(sentences, **small, epochs=1, loss="softmax").perplexity(sentences)
for X in (np.eye(4), csr_array(np.eye(4))):
    for solver in ("dual", "sgd"):
        clf = HierarchicalSoftmaxRegression(solver=solver, tree="learned").fit(X, range(4))
        clf.top_k(X, 1), clf.predict_proba(X)
    SoftmaxRegression().fit(X, range(4)).top_k(X, 1)
    for X in (X, X.astype("f4")):
        HierarchicalSoftmaxRegression().fit(X, range(4)).top_k(X, 1)
        ProbabilisticLabelTree(tree="learned").fit(X, np.eye(4)).predict(X)
        clf = GroupedSoftmaxRegression(n_groups=2).fit(X, range(4))
        clf.top_k(X, 1), clf.predict_proba(X)
""",
)
BEFORE = """
import numpy as np
import w2v_hs
from scipy.sparse import csr_array
from w2v_hs.classifier import GroupedSoftmaxRegression, HierarchicalSoftmaxRegression
from w2v_hs.classifier import ProbabilisticLabelTree
from w2v_hs.classifier import SoftmaxRegression, TextClassifier
sentences, small = [["a", "b", "c"]] * 50, {"dim": 8, "sample": 0, "threads": 1}
"""


def pytest_configure(config):
    """Compile the kernels once, before workers and the servers of `forks` all need them at once."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        command = [sys.executable, "-W", "ignore", "-c"]
        processes = [subprocess.Popen([*command, BEFORE + code]) for code in COMPILE]
        assert not any([process.wait() for process in processes])


@pytest.fixture(scope="session")
def text_file(tmp_path_factory):
    """A small text: 600 sentences, 25 words."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT * 200)
    return path


@pytest.fixture(scope="session")
def model(text_file):
    import w2v_hs

    return w2v_hs.train(text_file, dim=20, epochs=3, threads=1, sample=0)


@pytest.fixture(scope="session")
def model_file(model, tmp_path_factory):
    """The file of `model`."""
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    model.save(path)
    return path


def train_leaving(checkpoint, corpus, every=1e-9, **options):
    """Train to the end; the last checkpoint stays as a killed run leaves it."""
    from w2v_hs.options import Options, Preprocessing
    from w2v_hs.training.api import train_with
    from w2v_hs.training.observers.checkpoint import CheckpointSettings, new_checkpoint
    from w2v_hs.training.observers.run_texts import named_texts

    names = [field.name for field in fields(Preprocessing) if field.name in options]
    preprocessing = Preprocessing(**{name: options.pop(name) for name in names})
    settings = CheckpointSettings(Path(checkpoint), every, named_texts(corpus), preprocessing)
    with new_checkpoint(settings):
        return train_with(Options(**options), corpus, preprocessing=preprocessing, settings=settings)


@pytest.fixture(scope="session")
def gensim():
    """For a test that needs gensim: without it the test is skipped."""
    return pytest.importorskip("gensim", exc_type=ImportError)


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """How to start `w2v-hs`: where there is `fork`, without the time of its imports."""
    if not hasattr(os, "fork"):
        yield [sys.executable, "-m", "w2v_hs"]
        return
    script = str(Path(__file__).with_name("forks.py"))
    address = str(tmp_path_factory.mktemp("forks") / "s")
    command = [sys.executable, script, "serve", address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == b"ready\n"
        yield [sys.executable, "-I", "-S", script, address]
        server.stdin.close()


@pytest.fixture
def run(program):
    """Run `w2v-hs` as a process of its own; returns the finished process."""
    fresh = [sys.executable, "-m", "w2v_hs"]  # for an environment that Python or an import reads

    def run(*arguments, input=None, env=None, cwd=None):
        return subprocess.run(
            [*(program if env is None else fresh), *map(str, arguments)],
            input=input,
            capture_output=True,
            env={**os.environ, "COLUMNS": "120", **(env or {})},
            cwd=cwd,
            timeout=300,
        )

    return run


@pytest.fixture
def fails(run):
    """Run `w2v-hs`, check that it fails in one line without a traceback, return that line."""

    def fails(*arguments, code=1, **kwargs):
        done = run(*arguments, **kwargs)
        message = done.stderr.decode()
        assert done.returncode == code, message
        assert "Traceback" not in message
        lines = [line for line in message.splitlines() if not line.startswith("warning:")]
        if code == 1:
            assert len(lines) == 1 and lines[0].startswith("error: "), message
        return message

    return fails
