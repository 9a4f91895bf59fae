"""Names of types that signatures share: arrays by the type of their numbers, texts, contexts."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Float32: TypeAlias = npt.NDArray[np.float32]
Float64: TypeAlias = npt.NDArray[np.float64]
Int32: TypeAlias = npt.NDArray[np.int32]
Int64: TypeAlias = npt.NDArray[np.int64]
UInt8: TypeAlias = npt.NDArray[np.uint8]
Array: TypeAlias = npt.NDArray[Any]

# What `train` takes for a corpus. A str is also an iterable of str, which is refused with a hint.
# Several files are paths; a cluster takes addresses among them, as str.
Texts: TypeAlias = str | Path | Iterable[str | Path] | Iterable[Iterable[str]]
# One word, or several.
Context: TypeAlias = str | Iterable[str]
# Words as leaves, in lists, tuples or mappings, whose keys name groups.
NestedTree: TypeAlias = Sequence["str | NestedTree"] | Mapping[str, "str | NestedTree"]
