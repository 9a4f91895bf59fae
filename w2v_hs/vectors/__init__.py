"""Words with one vector each, and every file format of vectors.

`vectors` answers queries, `formats` chooses a format; each format has a module that reads and
writes it. `contents` is what they share. `subwords` composes vectors of character n-grams,
`rotation` brings the vectors of two runs together.
"""

from w2v_hs.vectors.contents import first_nonfinite_row
from w2v_hs.vectors.formats import load_vectors, save_vectors
from w2v_hs.vectors.vectors import Vectors

__all__ = ["Vectors", "first_nonfinite_row", "load_vectors", "save_vectors"]
