"""Two models of different texts: how they are brought together, and which words differ.

`sides` finds the words that both hold, `alignment` rotates one onto the other, `change` measures
how far each word moved and how many of its `neighbourhoods` stayed.
"""

from w2v_hs.comparison.alignment import align
from w2v_hs.comparison.change import shift

__all__ = ["align", "shift"]
