"""Build the pages of the Python API from its docstrings: python docs/api.py [FOLDER].

FOLDER is build/api where it is not given. A warning of the generator ends the program.
"""

import inspect
import pkgutil
import re
import sys
import warnings
from pathlib import Path

import w2v_hs

# The commands explain themselves: w2v-hs --help.
LEFT_OUT = re.compile(r"__.*__|cli|completion|predicting|.*_commands")
ARRAY = re.compile(r"numpy\.ndarray\[tuple\[(?:typing\.)?Any, \.\.\.\], numpy\.dtype\[([\w.]*)\]\]")


def shorten_arrays() -> None:
    """Show NDArray[float32] as it stands in the source, not what it is short for."""
    whole = inspect.formatannotation

    def short(annotation: object, *arguments: object, **options: object) -> str:
        shown = whole(annotation, *arguments, **options)
        return ARRAY.sub(lambda found: f"NDArray[{found[1].rpartition('.')[2]}]", shown)

    inspect.formatannotation = short


def modules() -> list[str]:
    """The modules and packages that are shown, besides what `w2v_hs` itself offers."""
    names = [module.name for module in pkgutil.iter_modules(w2v_hs.__path__)]
    return [name for name in names if not LEFT_OUT.fullmatch(name)]


if __name__ == "__main__":
    warnings.simplefilter("error")
    shorten_arrays()  # before pdoc takes the function
    import pdoc

    w2v_hs.__all__ += modules()  # what it offers, and after that where it comes from
    pdoc.render.configure(docformat="numpy", math=True)
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/api")
    pdoc.pdoc("w2v_hs", output_directory=folder)
    print(f"{len(list(folder.rglob('*.html')))} pages in {folder}")
