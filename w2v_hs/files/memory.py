"""How much memory is available, and whether what a file claims to hold fits into it."""

import contextlib
from pathlib import Path

from w2v_hs.errors import FormatError

JSON_EXPANSION = 24  # bytes of memory that each byte of JSON may take, in many empty objects: "{},"


def check_memory(name: str, needed: int) -> None:
    """Raise `FormatError` if `needed` bytes, of arrays in a file, are not available.

    A sparse file claims any size, and a system that grants any ends the process when it is used.
    """
    free = available_bytes()
    if free is not None and needed > free:
        raise FormatError(f"{name}: its arrays take {needed:,} bytes of memory, {free:,} are free")


def check_json(name: str, size: int) -> None:
    """Raise `FormatError` if JSON of `size` bytes may need more memory than is free."""
    free, most = available_bytes(), JSON_EXPANSION * size
    if free is not None and most > free:
        raise FormatError(
            f"{name}: its {size:,} bytes of JSON may take {most:,} bytes of memory, {free:,} are free"
        )


def available_bytes(groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Memory this process can still take, or None where the system does not say.

    The least of free memory and the limits of its control groups and of the process (Linux). What a
    control group uses includes cached files, which the system gives up where memory is needed.
    """
    limits = []
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            limits.append(int(line.split()[1]) * 1024)
    for folder, limit, used, kind in (
        (groups, "memory.max", "memory.current", ""),
        (groups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    ):
        bound, current = _read(folder / limit).strip(), _read(folder / used).strip()
        if bound.isdigit() and current.isdigit():
            lines = (line.split() for line in _read(folder / "memory.stat").splitlines())
            files = (kind + "active_file", kind + "inactive_file")
            cached = sum(int(size) for name, size in lines if name in files)
            limits.append(int(bound) - int(current) + cached)
    with contextlib.suppress(ImportError):
        import resource  # not on Windows

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        pages = _read("/proc/self/statm").split()
        if most != resource.RLIM_INFINITY and pages:
            limits.append(most - int(pages[0]) * resource.getpagesize())
    return min(limits, default=None)


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
