"""Pages from templates: one file that loads nothing, and lets no script run but its own.

Words and everything else from a file reach a page as escaped text or as JSON.
"""

import base64
import hashlib
import json
import re
from typing import Any

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.reporting import figures as report_figures
from w2v_hs.reporting.evaluation import LONGEST
from w2v_hs.version import __version__


def render(
    template: str,
    scripts: tuple[str, ...],
    title: str,
    figures: dict[str, Any],
    data: dict[str, Any],
    **rest: Any,
) -> str:
    """A page from a template of the folder `page`.

    Parameters
    ----------
    template
        Its name.
    scripts
        Names of the page's own scripts, in order.
    title
        The heading.
    figures
        Those of Bokeh, by the element in which each is drawn.
    data
        For the scripts, as JSON.
    rest
        What else the template shows.
    """
    from bokeh import __version__ as bokeh_version
    from bokeh.core.types import ID
    from bokeh.embed import json_item
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("w2v_hs.reporting", "page")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    css, *own = (loader.get_source(environment, name)[0] for name in ("report.css", *scripts))
    library, script = report_figures.scripts(), "".join(own)
    items = {name: json_item(figure, ID(name)) for name, figure in figures.items()}
    return environment.get_template(template).render(
        title=shown(title, LONGEST),
        figures=figures,
        data=_json(data | {"figures": items}),
        css=css,
        library=library,
        script=script,
        checksums=[_checksum(library), _checksum(script)],
        versions=f"w2v_hs {__version__}, charts by Bokeh {bokeh_version}",
        short=short,
        **rest,
    )


def short(word: str) -> str:
    """A word as the page shows it: cut if very long, with lone surrogates replaced by U+FFFD."""
    text = word if len(word) <= LONGEST else word[:LONGEST] + "…"
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def as_base64(values: np.ndarray, dtype: str) -> str:
    """The bytes of an array, as the scripts read them."""
    return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()


def _json(value: object) -> str:
    """JSON that can stand within a script element: nothing in it ends the element."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _checksum(script: str) -> str:
    """The hash by which a content security policy names a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
