"""Several models: how they are brought together, which words differ, and how far runs agree.

`sides` finds the words that both hold, `alignment` rotates one onto the other, `change` measures
how far each word moved and how many of its `neighbourhoods` stayed, `control` how far words move
between shuffled texts, `agreement` how far runs of one text agree; `tables` shows results.
"""

from w2v_hs.comparison.agreement import Stability, stability
from w2v_hs.comparison.alignment import Alignment, align
from w2v_hs.comparison.change import Shift, shift
from w2v_hs.comparison.tables import as_html, as_text

Alignment.as_text, Alignment.as_html = as_text, as_html
Shift.as_text, Shift.as_html = as_text, as_html
Stability.as_text, Stability.as_html = as_text, as_html

__all__ = ["align", "shift", "stability"]
