"""Links of all pages, and pages whose code runs: all blocks in order, in an empty folder."""

import re
import sys
import textwrap
import types
from pathlib import Path
from unittest.mock import MagicMock

import pytest

import w2v_hs

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")  # to a file of the repository
# Trackers that no test needs; where they are not installed, recipes run with a stand-in.
TRACKERS = ("mlflow", "wandb")
ABSENT = ("optuna",)  # its recipe runs only where it is installed


def test_links_lead_to_files():
    for page in (*DOCS.glob("*.md"), *DOCS.parent.glob("*.md")):
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.fixture
def stand_ins(monkeypatch):
    """Every call to a tracker, in order."""
    calls = MagicMock()
    for name in TRACKERS:
        monkeypatch.setitem(sys.modules, name, getattr(calls, name))
    return calls


def run_page(name, folder, monkeypatch):
    """Run a page; returns its names."""
    text = (DOCS / name).read_text(encoding="utf-8")
    monkeypatch.chdir(folder)
    names = types.SimpleNamespace(__name__="page").__dict__
    blocks = list(BLOCK.finditer(text))
    shells = text.count("```console\n")
    assert len(blocks) + shells == text.count("```") / 2  # none that is not run
    for block in blocks:
        code = textwrap.dedent(block[2])
        if any(code.startswith(f"import {package}\n") and not installed(package) for package in ABSENT):
            continue
        before = text.count("\n", 0, block.start(2))  # so that a failure names its line of the page
        exec(compile("\n" * before + code, name, "exec"), names)
    return names


def installed(package):
    import importlib.util

    return importlib.util.find_spec(package) is not None


def test_trackers(tmp_path, monkeypatch, stand_ins, capsys):
    names = run_page("trackers.md", tmp_path, monkeypatch)
    assert (tmp_path / "losses.csv").read_text().count("\n") == 4
    assert "epoch 3: " in capsys.readouterr().out
    assert [call.kwargs["step"] for call in stand_ins.mlflow.log_metric.mock_calls] == [1, 2, 3]
    logged = stand_ins.wandb.init.return_value.__enter__.return_value.log
    assert [call.kwargs["step"] for call in logged.mock_calls] == [1, 2, 3]
    scores = names["stopper"].scores
    assert len(scores) == min(10, scores.index(max(scores)) + 4)
    known_to_none = names["Stopper"]()
    w2v_hs.train([["a", "b"]] * 50, epochs=2, dim=4, sample=0, threads=1, callbacks=known_to_none)
    assert known_to_none.scores == []
    assert [len(losses) for losses in names["model"].update_losses] == [2]


@pytest.mark.filterwarnings("error::UserWarning")
def test_graphs(tmp_path, monkeypatch):
    names = run_page("graphs.md", tmp_path, monkeypatch)
    model, graph = names["model"], names["graph"]
    assert set(model.vectors.words) == set(graph) == set(names["steered"].vectors.words)
    assert all(type(node) is int for node in model.vectors.words)
    assert names["accuracy"] > 0.9
    graph.add_node("alone")
    for walks in (names["deepwalk"], names["node2vec"]):
        assert {len(walk) for walk in walks(graph, 1, 5)} == {5}


@pytest.mark.filterwarnings("error::UserWarning")
def test_recommendations(tmp_path, monkeypatch):
    """The page itself asserts what it shows."""
    names = run_page("recommend.md", tmp_path, monkeypatch)
    assert min(map(len, names["seen"])) == 0  # a basket of one item
    assert not set(names["tops"][0].words) & set(names["seen"][names["known"][0]].tolist())


def test_text_classification(tmp_path, monkeypatch):
    """The page itself asserts what it shows."""
    names = run_page("text-classification.md", tmp_path, monkeypatch)
    assert names["best"].shape == names["probabilities"].shape == (1, 2)


def test_change(tmp_path, monkeypatch):
    names = run_page("change.md", tmp_path, monkeypatch)
    assert {each.word for each in names["found"].words[:2]} == {"gold", "army"}
    assert {each.word for each in names["control"].words if each.p < 0.002} >= {"gold", "army"}
    assert "gold" in dict(names["aligned"].vectors.most_similar(names["old"].vectors["army"]))


@pytest.mark.filterwarnings("error")
def test_classification(tmp_path, monkeypatch):
    names = run_page("classification.md", tmp_path, monkeypatch)
    X, y = names["X"], names["y"]
    assert names["clf"].score(X, y) > 0.95 and names["mine"].score(X, y) > 0.9
    assert (names["tagger"].predict(X) != names["Y"]).mean() < 0.2
    assert names["reader"].predict(["a film", "never"]).tolist() == ["good", "bad"]
    assert names["mine"].tree_.code(0)[0] == names["mine"].tree_.code(6)[0]
    assert names["stream"].score(X, y) > 0.7
