"""Text in a column: of JSON lines (`json_lines`) and of Parquet files (`parquet`).

`rows` has what both share: how a row holds text, and what is wrong with one that does not.
"""

from w2v_hs.text.columns.json_lines import json_text
from w2v_hs.text.columns.rows import BadRow, layout, listed

__all__ = ["BadRow", "json_text", "layout", "listed"]
