"""Type aliases that signatures share: arrays by dtype, corpora, contexts, nested trees."""

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

# A corpus for `train`: a path, several paths, or sentences as sequences of words. On a cluster,
# a path may be a URL, as str. An iterable of str could be sentences that are not split into words;
# `train` refuses these with a hint.
Texts: TypeAlias = str | Path | Iterable[str | Path] | Iterable[Iterable[str]] | Iterable[Iterable[int]]
# A word as users give it: a number, such as the id of an item, stands for its decimal digits.
Word: TypeAlias = str | int
# One context word, or several.
Context: TypeAlias = Word | Iterable[Word]
# A tree over words: lists and tuples are inner nodes; so are mappings, whose keys name the groups.
NestedTree: TypeAlias = Sequence["Word | NestedTree"] | Mapping[str, "Word | NestedTree"]
