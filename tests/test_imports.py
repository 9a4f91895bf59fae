"""The structure: imports run one way, and the package is quick to import."""

import ast
import subprocess
import sys
from pathlib import Path

import w2v_hs

FOLDER = Path(w2v_hs.__file__).parent
# In the order in which data flows; a module imports only from those before it.
ORDER = """
errors types atomic escaping storage download catalog tokenizing preprocessing extract
parquet_pages columns sources
text kernels.compile kernels.vector
kernels.common kernels.reader kernels.phrases vocabulary corpus tree codes growth kernels.contexts
kernels.grouping kernels.transfer
learned kernels.copies kernels.merging kernels.paths kernels.skipgram kernels.cbow kernels.softmax
kernels.likelihood kernels.probability kernels.classifier options memory classifier workers schedule
probe trainer shards rounds costs vectors output_vectors
readers writers tables folders formats progress phrases likelihood holdout probability
update model loading checkpoint cluster cluster_text distributed cluster_training training anatomy
testsets answering statistics protocol evaluation comparison
show wordmap report_figures report_evaluation report evaluation_tables completion
text_options train_commands vector_commands evaluate_commands predicting tree_commands
report_commands corpus_commands cli
""".split()  # noqa: SIM905


def imported(path):
    """Modules of this package that a file imports, at its top or inside functions, when it runs."""
    module = ast.parse(path.read_text())
    for node in ast.walk(module):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("w2v_hs"):
            inside = node.module.removeprefix("w2v_hs").removeprefix(".")
            for name in [inside] if inside else [alias.name for alias in node.names]:
                if name != "__version__":
                    yield name


def test_imports_run_one_way():
    for path in FOLDER.rglob("*.py"):
        name = ".".join(path.relative_to(FOLDER).with_suffix("").parts)
        if name in ("__init__", "__main__", "kernels.__init__"):
            continue
        assert name in ORDER, f"{name} has no place in the order"
        later = ORDER[ORDER.index(name) :]
        assert not set(imported(path)) & set(later), f"{name} imports from what comes after it"


def test_importing_loads_nothing_heavy():
    code = "import sys, w2v_hs, w2v_hs.cli.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    heavy = {b"numba", b"gensim", b"nltk", b"scipy", b"sklearn", b"pooch", b"numpy"}
    assert not heavy & set(loaded.split())


def test_everything_public_is_there():
    for name in w2v_hs.__all__:
        assert getattr(w2v_hs, name) is not None
        assert name in dir(w2v_hs)
