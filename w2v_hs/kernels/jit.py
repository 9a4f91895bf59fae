"""How kernels are compiled: without the interpreter lock, and cached on disk between runs.

The cache must never stop a run: if no folder is writable, or an entry is damaged, kernels are
compiled again. Numba only notices changes of the file that defines a function, but kernels are
inlined across files, so the key of an entry holds a digest of all kernel sources.
"""

import contextlib
import gc
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


@contextlib.contextmanager
def no_collection():
    """Pause the garbage collector.

    Importing Numba and compiling create hundreds of thousands of objects that live as long as the
    process. The collector would traverse them repeatedly meanwhile, which takes some 0.2 s.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


with no_collection():
    import numba
    from numba.core.caching import FunctionCache

# The flags of all kernels. No fast-math: it would hide a NaN. The functions of `simd` fuse
# multiplications and additions themselves, which is all that fast-math would gain.
_FLAGS = {"nogil": True, "error_model": "numpy"}
_SOURCES = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()


class _Cache(FunctionCache):
    """Numba's cache, with a key that covers all kernel sources and without errors."""

    def _index_key(self, sig, codegen):
        return (*super()._index_key(sig, codegen), _SOURCES)

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # unpickling damaged bytes can raise any exception
            with contextlib.suppress(Exception):
                self.flush()
            return None

    def save_overload(self, sig, data):
        with contextlib.suppress(Exception):
            super().save_overload(sig, data)


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel when it is first called, or load it from the cache."""
    dispatcher = numba.njit(**_FLAGS)(function)
    with contextlib.suppress(RuntimeError):  # no folder for a cache
        dispatcher._cache = _Cache(function)  # as Dispatcher.enable_caching does
    return dispatcher


# For functions that kernels call: LLVM inlines them.
inline = numba.njit(**_FLAGS, forceinline=True)
