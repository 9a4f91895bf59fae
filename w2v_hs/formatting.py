"""Values and nested descriptions as text, for the tables of commands and of the report."""

from collections.abc import Iterable, Iterator, Sequence

from w2v_hs.checks import shown

_BLOCKS = "▁▂▃▄▅▆▇█"
_DEEPEST = 4  # levels of nested dicts that are shown


def cell(value: object) -> str:
    """A value of a summary as text."""
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return ", ".join(map(cell, value)) if isinstance(value, list) else str(value)


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """Values as a row of blocks, the largest highest; of more than `width`, some at equal steps."""
    low, high = min(values), max(values)
    count = min(len(values), width)
    chosen = [values[round(i * (len(values) - 1) / max(1, count - 1))] for i in range(count)]
    scale = (len(_BLOCKS) - 1) / ((high - low) or 1.0)
    return "".join(_BLOCKS[round(scale * (value - low))] for value in chosen)


def flat(name: str, value: object, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Flatten a description to pairs of name and text: ("updates 1 corpus sha256", "0a1b...")."""
    members: Iterable[tuple[object, object]] | None = None
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list) and any(isinstance(member, dict | list) for member in value):
        members = enumerate(value, 1)
    if members is None:
        yield shown(name), shown(cell(value))
    elif depth == _DEEPEST:
        yield shown(name), "… more within"
    else:
        for key, member in members:
            yield from flat(f"{name} {key}".strip().replace("_", " "), member, depth + 1)
