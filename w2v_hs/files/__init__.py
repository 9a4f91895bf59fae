"""Files, whatever they contain.

Writing that leaves the old file or the new one and never half of each (`atomic`), arrays in one
`.safetensors` file with a checksum (`container`), and downloads (`download`). Only `atomic` is
re-exported, as the command line imports it at its start and the other two need NumPy and more.
"""

from w2v_hs.files.atomic import check_writable, holding, new_folder, replacing

__all__ = ["check_writable", "holding", "new_folder", "replacing"]
