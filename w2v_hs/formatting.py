"""Values and nested descriptions as text, for the tables of commands and of the report."""

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from w2v_hs.checks import shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_BLOCKS = "▁▂▃▄▅▆▇█"
_DEEPEST = 5  # levels of nested dicts that are shown
_RISE = 1.001  # times the lowest loss: a last loss above is no longer noise
RUNNING_LOSS = (
    "it is measured before each update, and recent text flatters it less as the learning rate falls; "
    "--holdout measures without that"
)
HELD_OUT_LOSS = "the model overfits; train fewer epochs, or keep the best with --patience 2"


def plain(text: str) -> "Text":
    """Text that rich prints literally, without reading brackets as markup."""
    from rich.text import Text

    return Text(shown(text))


def cell(value: object) -> str:
    """A value of a summary as text."""
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return ", ".join(map(cell, value)) if isinstance(value, list) else str(value)


def texts(names: Sequence[object], most: int = 4096) -> str:
    """The names of texts: up to three, or "126 files in texts/"; `most` characters of each."""
    if len(names) <= 3:
        return ", ".join(shown(name, most) for name in names)
    start = os.path.commonprefix([str(name) for name in names])  # noqa: RUF071 (cut below)
    folder = start[: max(start.rfind("/"), start.rfind(os.sep)) + 1]
    if folder or not any("/" in str(name) or os.sep in str(name) for name in names):
        return f"{len(names):,} files in {shown(folder or './', most)}"
    return f"{texts(names[:3], most)} and {len(names) - 3:,} more"


def mended(count: int, encoding: str, errors: str) -> str:
    """What became of `count` places that could not be decoded."""
    done = "dropped" if errors == "ignore" else "replaced by U+FFFD"
    return f"{count:,} malformed {encoding.upper()} sequence{'s' * (count > 1)} {done}"


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """Values as a row of blocks, the largest highest; of more than `width`, some at equal steps."""
    low, high = min(values), max(values)
    count = min(len(values), width)
    chosen = [values[round(i * (len(values) - 1) / max(1, count - 1))] for i in range(count)]
    scale = (len(_BLOCKS) - 1) / ((high - low) or 1.0)
    return "".join(_BLOCKS[round(scale * (value - low))] for value in chosen)


def rise(losses: Sequence[float | None], why: str = RUNNING_LOSS) -> str:
    """What it means that losses rise at the end; empty if they do not."""
    known = [loss for loss in losses if loss is not None]
    rises = len(known) > 1 and known[-1] > _RISE * min(known)
    return f"it rises after epoch {losses.index(min(known)) + 1}: {why}" if rises else ""


def flat(name: str, value: object, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Flatten a description to pairs of name and text: ("updates 1 corpus sha256", "0a1b...")."""
    members: Iterable[tuple[object, object]] | None = None
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list) and any(isinstance(member, dict | list) for member in value):
        members = enumerate(value, 1)
    if members is None:
        if isinstance(value, list) and name.endswith("corpus names"):
            yield shown(name), texts(value)
        else:
            yield shown(name), shown(cell(value))
    elif depth == _DEEPEST:
        yield shown(name), "… more within"
    else:
        for key, member in members:
            yield from flat(f"{name} {key}".strip().replace("_", " "), member, depth + 1)


def recorded_text(print_on: Callable[["Console"], None]) -> str:
    """What a function prints on a console, as text of 100 columns."""
    return _recorded(print_on).export_text().rstrip("\n")


def recorded_html(print_on: Callable[["Console"], None]) -> str:
    """What a function prints on a console, for a notebook."""
    style = "white-space:pre;overflow-x:auto;line-height:normal;font-family:monospace"
    return _recorded(print_on).export_html(
        inline_styles=True, code_format=f'<pre style="{style}">{{code}}</pre>'
    )


def _recorded(print_on: Callable[["Console"], None]) -> "Console":
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100, record=True, force_jupyter=False)
    print_on(console)
    return console
