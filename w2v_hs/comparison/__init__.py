"""Two models of different texts: how they are brought together, and which words differ.

`sides` finds the words that both hold, `alignment` rotates one onto the other, `change` measures
how far each word moved and what became of its neighbours.
"""

from w2v_hs.comparison.alignment import align

__all__ = ["align"]
