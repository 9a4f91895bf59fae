"""Files, whatever they contain.

Writing that leaves the old file or the new one and never half of each (`atomic`), arrays in one
`.safetensors` file with a checksum (`container`), and downloads (`download`).
"""

from w2v_hs.files.atomic import check_writable, holding, new_folder, replacing
from w2v_hs.files.container import (
    load_arrays,
    load_tensors,
    pack_words,
    save_arrays,
    unpack_words,
)

__all__ = [
    "check_writable",
    "holding",
    "load_arrays",
    "load_tensors",
    "new_folder",
    "pack_words",
    "replacing",
    "save_arrays",
    "unpack_words",
]
