"""The notebooks run from top to bottom, and are kept with the outputs of such a run."""

import os
import re
from pathlib import Path

import nbformat
import nltk
import pytest
from nbclient import NotebookClient

CORPORA = {"change": ("state_union", "inaugural")}  # of NLTK
NLTK_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "nltk_data"
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def pictures(cell):
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def test_there_are_notebooks():
    names = [path.stem for path in NOTEBOOKS]
    assert names == ["change", "first_hour", "softmax_to_hierarchical", "trees"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom_and_gives_what_is_kept(path, tmp_path, monkeypatch):
    """In a new kernel and an empty folder. A cell whose figures are times is tagged "timed"."""
    monkeypatch.setenv("NLTK_DATA", os.pathsep.join((os.environ.get("NLTK_DATA", ""), str(NLTK_DATA))))
    monkeypatch.setattr(nltk.data, "path", [*nltk.data.path, str(NLTK_DATA)])
    for corpus in CORPORA.get(path.stem, ()):
        try:
            getattr(nltk.corpus, corpus).ensure_loaded()
        except LookupError:
            pytest.skip(f"NLTK has no {corpus}")
    kept = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    for cell in code_cells(fresh):
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        fresh, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()  # raises where a cell fails
    for old, new in zip(code_cells(kept), code_cells(fresh), strict=True):
        assert pictures(old) == pictures(new)
        if "timed" not in old.metadata.get("tags", []):
            assert printed(old) == printed(new)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_kept_with_the_outputs_of_one_clean_run(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(map(pictures, cells)) >= 5
    assert path.stat().st_size < 400_000  # each change of a picture stays in the history
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr"
    text = "".join(printed(cell) + cell.source for cell in cells)
    assert not re.search(r"(^|[\s'\"(])(/\w+/|[A-Z]:\\)", text), "a path of some machine"
