"""docs/gensim.md: its code runs, and it leaves out no argument and no method of gensim's."""

import inspect
import re
from pathlib import Path

import pytest

import w2v_hs

pytest.importorskip("gensim", exc_type=ImportError)

PAGE = Path(__file__).parents[1] / "docs" / "gensim.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEFAULT = re.compile(r"`(\w+)=([^`]+)`")


def arguments(column):
    """Each `name=default` in a column of the table of arguments."""
    table = TEXT.split("## Arguments\n")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return dict(pair for row in rows for pair in DEFAULT.findall(row[column]))


def test_its_code_runs(tmp_path, monkeypatch):
    """All blocks, in their order and one namespace, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    blocks = list(BLOCK.finditer(TEXT))
    assert len(blocks) == TEXT.count("```") / 2  # none that is not run
    for block in blocks:
        before = TEXT.count("\n", 0, block.start(1))  # so that a failure names its line of the page
        exec(compile("\n" * before + block[1], PAGE, "exec"), names)


def test_it_has_every_argument_of_gensim_with_its_default():
    from gensim.models import Word2Vec

    parameters = dict(inspect.signature(Word2Vec).parameters)
    written = arguments(0)
    assert sorted(written) == sorted(parameters)
    for name, value in written.items():
        assert eval(value) == parameters[name].default, name


def test_our_defaults_are_those_of_train():
    parameters = inspect.signature(w2v_hs.train).parameters
    written = arguments(1)
    assert {"dim", "window", "epochs", "min_count", "seed", "threads"} <= set(written)
    for name, value in written.items():
        if value != "FILE":
            assert eval(value) == parameters[name].default, name


@pytest.mark.parametrize("kind", ["Word2Vec", "KeyedVectors"])
def test_it_has_every_method_of_gensim(kind):
    import gensim.models

    code = " ".join(re.findall(r"`([^`]+)`", BLOCK.sub("", TEXT)))
    public = [
        name
        for name, member in vars(getattr(gensim.models, kind)).items()
        if not name.startswith("_") and not isinstance(member, property)
    ]
    assert len(public) > 15
    missing = [name for name in public if not re.search(rf"\b{name}\b", code)]
    assert not missing
