"""A report on a model: one page that a browser opens without a network.

`report` puts the page together, `figures` draws charts, `word_map` places words in two dimensions,
`page` holds the HTML, CSS and JavaScript.
"""

from w2v_hs.report.report import write_report

__all__ = ["write_report"]
