"""Words and matrices that are hard to write and to read back, and their comparison."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from w2v_hs.vectors.vectors import Vectors

AWKWARD_VALUES = np.array(
    [
        [0.0, -0.0, 3.0, -16777216.0],
        [1e-7, 0.1, 1 / 3, 123456789.0],
        [1e-45, 1.1754942e-38, 1.1754944e-38, 3.4028235e38],  # subnormals, smallest, largest
        [1e16, 1e22, 1e-5, -1e30],
    ],
    dtype=np.float32,
)
AWKWARD_WORDS = ["3", "e\u0301", "👩‍👩‍👧", '"],[\\']


def same(vectors: Vectors, words: list[str], matrix: np.ndarray) -> None:
    """Equal words and the same bits, so that -0.0 is not 0.0."""
    assert vectors.words == words
    assert vectors.matrix.dtype == np.float32
    np.testing.assert_array_equal(
        np.ascontiguousarray(vectors.matrix).view(np.uint32), np.ascontiguousarray(matrix).view(np.uint32)
    )


@st.composite
def words_and_matrix(draw):
    """Distinct words without white space, and a finite float32 matrix."""
    matrix = draw(
        hnp.arrays(
            np.float32,
            hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
            elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
        )
    )
    word = st.text(st.characters(codec="utf-8"), min_size=1).filter(
        lambda word: word.split() == [word] and "\0" not in word and word[0] != "\ufeff"
    )
    size = len(matrix)
    return draw(st.lists(word, min_size=size, max_size=size, unique=True)), matrix
