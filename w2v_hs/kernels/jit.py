"""How kernels are compiled: without the interpreter lock, and kept on disk between runs.

A cache must never stop a run. Where no folder can be written to, or what lies in it is damaged,
kernels are compiled anew; and since Numba notices only changes of the file that a function stands
in, but kernels are inlined across files, the key of an entry holds a digest of all kernel sources.
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

    Numba makes hundreds of thousands of objects that live as long as the process. The collector
    would walk through them again and again while they are made, for some 0.2 s, and as long once
    more when the process ends.
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

# No fast-math flag anywhere: a NaN must stay visible. The vector functions fuse multiplications
# and additions by themselves, which is all that fast-math would gain.
_FLAGS = {"nogil": True, "error_model": "numpy"}
_SOURCES = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()


class _Cache(FunctionCache):
    def _index_key(self, sig, codegen):
        return (*super()._index_key(sig, codegen), _SOURCES)

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # unpickling damaged bytes can raise anything
            with contextlib.suppress(Exception):
                self.flush()
            return None

    def save_overload(self, sig, data):
        with contextlib.suppress(Exception):
            super().save_overload(sig, data)


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel when it is first called."""
    dispatcher = numba.njit(**_FLAGS)(function)
    with contextlib.suppress(RuntimeError):  # no folder for a cache
        dispatcher._cache = _Cache(function)  # as Dispatcher.enable_caching does
    return dispatcher


# For functions that are part of kernels. Inlined by LLVM.
inline = numba.njit(**_FLAGS, forceinline=True)
