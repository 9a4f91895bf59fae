"""A report on a model: one page that a browser opens without a network.

`content` puts the page together, `figures` draws charts, `word_map` places words in two dimensions,
`page` holds the HTML, CSS and JavaScript.
"""

from w2v_hs.reporting.content import report

__all__ = ["report"]
