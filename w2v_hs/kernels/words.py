"""Words of raw text in UTF-8: one pass that puts a space between tokens that touch.

A table gives the class of each code point, so no rule of Unicode stands here. Oracle:
`naive.split_words`.
"""

import numpy as np

from w2v_hs.kernels.jit import inline, jit

# Classes of code points; `text.tokenizing` says which are in each.
SYMBOL, SPACE, LETTER, DIGIT, MARK, JOINER, POINT = range(7)
_TYPOGRAPHIC = 0x2019  # ’


@inline
def _code_point(block, i):
    """(code point, bytes) of the character at block[i], in valid UTF-8."""
    first = np.int64(block[i])
    if first < 0x80:
        return first, 1
    point = first & 0x1F, np.int64(block[i + 1]) & 0x3F
    if first < 0xE0:
        return point[0] << 6 | point[1], 2
    third = np.int64(block[i + 2]) & 0x3F
    if first < 0xF0:
        return (point[0] & 0x0F) << 12 | point[1] << 6 | third, 3
    return (point[0] & 0x07) << 18 | point[1] << 12 | third << 6 | np.int64(block[i + 3]) & 0x3F, 4


@jit
def split_words(block, classes, out):
    """Copy a text, with a space between tokens that touch; return how many bytes were written.

    block (n,) uint8, valid UTF-8; classes (0x110000,) uint8, the class of each code point; out
    (>= 2n,) uint8. A token is a run of letters and digits, or of one and the same symbol. A mark
    belongs to what it follows; a joiner between two letters, and a point between two digits, to the
    word. Any other joiner or point is a symbol. A typographic apostrophe within a word becomes '.
    """
    size, written, i = len(block), 0, 0
    before, symbol = SPACE, -1  # class of the last character that was no mark; the symbol, if any
    while i < size:
        point, width = _code_point(block, i)
        kind, after = classes[point], i + width
        inside = True  # the character belongs to the token before it
        if kind == MARK and before != SPACE:
            kind = before
        else:
            if kind >= MARK:
                needed = LETTER if kind == JOINER else DIGIT
                inside = kind != MARK and before == needed and after < size
                inside = inside and classes[_code_point(block, after)[0]] == needed
                kind = needed if inside else SYMBOL
            ends = (kind == SYMBOL or before == SYMBOL) and point != symbol
            if ends and kind != SPACE and before != SPACE:
                out[written] = 0x20
                written += 1
            symbol = point if kind == SYMBOL else -1
        before = kind
        if point == _TYPOGRAPHIC and kind == LETTER:
            out[written] = 0x27
            written += 1
        else:
            for j in range(i, after):
                out[written] = block[j]
                written += 1
        i = after
        if kind == LETTER:  # most characters: the rest of an ASCII word
            while i < size and block[i] < 0x80 and classes[block[i]] == LETTER:
                out[written] = block[i]
                written += 1
                i += 1
    return written
