"""Build the pages of the Python API from its docstrings: python docs/api.py [FOLDER].

FOLDER is build/api where it is not given. A warning of the generator ends the program.
"""

import inspect
import re
import sys
import warnings
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "w2v_hs"
# The commands explain themselves: w2v-hs --help.
LEFT_OUT = re.compile(r"__init__|__main__|cli|completion|predicting|.*_commands")
ARRAY = re.compile(r"numpy\.ndarray\[tuple\[(?:typing\.)?Any, \.\.\.\], numpy\.dtype\[([\w.]*)\]\]")


def shorten_arrays() -> None:
    """Show NDArray[float32] as it stands in the source, not what it is short for."""
    whole = inspect.formatannotation

    def short(annotation: object, *arguments: object, **options: object) -> str:
        shown = whole(annotation, *arguments, **options)
        return ARRAY.sub(lambda found: f"NDArray[{found[1].rpartition('.')[2]}]", shown)

    inspect.formatannotation = short


def modules() -> list[str]:
    """All modules that have something to import, the package itself first."""
    paths = [path for path in sorted(SOURCE.rglob("*.py")) if not LEFT_OUT.fullmatch(path.stem)]
    names = [".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in paths]
    return ["w2v_hs", *(f"w2v_hs.{name}" for name in names)]


if __name__ == "__main__":
    warnings.simplefilter("error")
    shorten_arrays()  # before pdoc takes the function
    import pdoc

    pdoc.render.configure(docformat="numpy", math=True)
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/api")
    pdoc.pdoc(*modules(), output_directory=folder)
    print(f"{len(list(folder.rglob('*.html')))} pages in {folder}")
