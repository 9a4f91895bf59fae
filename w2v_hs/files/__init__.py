"""Files, whatever is in them.

Writing so that a file is the old one or the new one and never half of each, arrays in one
`.safetensors` container with a checksum, downloads.
"""

from w2v_hs.files.atomic import check_writable, holding, new_folder, replacing
from w2v_hs.files.container import load_arrays, save_arrays

__all__ = ["check_writable", "holding", "load_arrays", "new_folder", "replacing", "save_arrays"]
