"""Words with one vector each, and every file format of vectors.

`vectors` answers queries; `formats` chooses a format by name or suffix, `readers` and `writers`
hold the formats of one file, the other modules those of one library.
"""

from w2v_hs.vectors.formats import load_vectors, save_vectors
from w2v_hs.vectors.vectors import Vectors

__all__ = ["Vectors", "load_vectors", "save_vectors"]
