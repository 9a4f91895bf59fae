"""A report on a model or two: one page that a browser opens without a network.

`content` puts the page on a model together, `change` that on two, from templates (`rendering`) with
charts (`figures`); `word_map` places words in two dimensions, `page` holds the HTML, CSS and
JavaScript.
"""

from w2v_hs.reporting.content import report

__all__ = ["report"]
