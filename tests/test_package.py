"""The package as a whole: it is quick to import, and everything public is there."""

import inspect
import subprocess
import sys

import w2v_hs


def test_importing_loads_nothing_heavy():
    code = "import sys, w2v_hs, w2v_hs.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    heavy = {b"numba", b"gensim", b"nltk", b"scipy", b"sklearn", b"pooch", b"numpy"}
    assert not heavy & set(loaded.split())


def test_everything_public_is_there():
    for name in w2v_hs.__all__:
        value = getattr(w2v_hs, name)
        assert value is not None and not inspect.ismodule(value)
        assert name in dir(w2v_hs)


WITHOUT_GENSIM = """
import sys
sys.modules["gensim"] = None  # as where it is not installed
import w2v_hs
from w2v_hs.__main__ import main
model = w2v_hs.train(sys.argv[1], epochs=1, dim=8, threads=1)
model.save("m.safetensors")
model.export("v.txt")
assert w2v_hs.load_vectors("v.txt").words == w2v_hs.load("m.safetensors").vectors.words
try:
    model.vectors.to_gensim()
except w2v_hs.errors.OptionError as error:
    print(error)
sys.argv[1:] = ["evaluate", "v.txt"]
main()
"""


def test_gensim_is_named_where_it_is_needed_and_missing(text_file, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_GENSIM, text_file], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == "to_gensim needs the package gensim: pip install gensim\n"
    (line,) = done.stderr.splitlines()[-1:]
    assert line.startswith("error: google: this test set is part of gensim") and "pip install" in line
