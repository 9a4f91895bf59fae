"""The package as a whole: it is quick to import, and everything public is there."""

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
        assert getattr(w2v_hs, name) is not None
        assert name in dir(w2v_hs)
