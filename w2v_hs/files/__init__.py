"""Files, whatever they contain: atomic writes, never over what is read (`outputs`); arrays with a
checksum; downloads; parsed JSON as types; whether memory suffices.

Only `atomic` is re-exported: the command line imports it at its start, and `container` and
`download` need NumPy and more.
"""

from w2v_hs.files.atomic import check_writable, holding, new_folder, replacing

__all__ = ["check_writable", "holding", "new_folder", "replacing"]
