"""Phrases: against a slow twin, against gensim, and through the commands."""

import bz2
import gzip
import json
import lzma
import tempfile
import tracemalloc
from pathlib import Path

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2v_hs.errors import CorpusError, OptionError, OutputError
from w2v_hs.options import Preprocessing
from w2v_hs.text.corpus import read_corpus
from w2v_hs.text.phrase_text import PhraseText
from w2v_hs.text.phrases import Pass, join_phrases
from w2v_hs.text.word_ids import encode

# A tight alphabet, so that pairs repeat, names of joined pairs meet words, and words repeat.
WORDS = ["a", "b", "c", "a_b", "b_c", "_", "é", "long-word-of-many-bytes"]
corpora = st.lists(st.lists(st.sampled_from(WORDS), max_size=12), min_size=1, max_size=12).filter(any)


def assert_same(corpus, sentences, output=None, **options):
    """Whether all passes find and write what the slow twin does."""
    thresholds = options.pop("thresholds")
    found = join_phrases(corpus, output, thresholds=thresholds, **options)
    delta = options.get("delta", options["min_count"])
    before = sum(map(len, sentences))
    assert found.tokens == before
    for number, threshold in enumerate(thresholds, 1):
        tokens = sum(map(len, sentences))
        expected, sentences = naive.join_phrases(sentences, options["min_count"], delta, threshold)
        mine = sorted((p.phrase, p.score, p.count) for p in found.phrases if p.number == number)
        theirs = sorted((f"{a}_{b}", *value) for (a, b), value in expected.items())
        assert mine == theirs
        joined = tokens - sum(map(len, sentences))
        assert found.passes[number - 1] == Pass(threshold, len(expected), joined)
    assert found.tokens_after == sum(map(len, sentences))
    if output is not None:
        assert Path(output).read_text() == "".join(" ".join(s) + "\n" for s in sentences if s)


@settings(max_examples=150)
@given(
    sentences=corpora,
    min_count=st.integers(1, 3),
    delta=st.sampled_from([0.0, 0.5, 1.0, 4.0]),
    thresholds=st.lists(st.sampled_from([0.0, 0.3, 1.0, 2.5, 7.0]), min_size=1, max_size=3),
    threads=st.integers(1, 2),
    as_file=st.booleans(),
)
def test_any_corpus_gives_what_the_slow_twin_gives(sentences, min_count, delta, thresholds, threads, as_file):
    with tempfile.TemporaryDirectory() as folder:
        corpus = sentences
        if as_file:
            corpus = Path(folder) / "in.txt"
            corpus.write_text("\n".join(" ".join(sentence) for sentence in sentences))
        assert_same(
            corpus,
            sentences,
            Path(folder) / "out.txt",
            min_count=min_count,
            delta=delta,
            thresholds=sorted(thresholds, reverse=True),
            threads=threads,
        )


@pytest.fixture(scope="module")
def zipf():
    """A text with many types, of which some pairs belong together."""
    generator = np.random.default_rng(3)
    sentences = []
    for row in generator.zipf(1.4, (4000, 12)) % 3000:
        words = [f"x{n} y{n} z{n}" if n % 7 == 0 else f"w{n}" for n in row]
        sentences.append(" ".join(words).split())
    return sentences


def passes(sentences, **sizes):
    """The phrases of two passes as (name, score, count), the text after them, and the most bytes
    that were needed to find them."""
    text = PhraseText(encode(sentences, Preprocessing(), 1), "_", 1, **sizes)
    tracemalloc.start()
    found = [text.join(5, 5, threshold) for threshold in (20, 5)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return [*found[0], *found[1]], b"".join(text.blocks()), peak


@pytest.fixture(scope="module")
def whole(zipf):
    return passes(zipf)


def test_passes_are_those_of_join_phrases(zipf, whole, tmp_path):
    found = join_phrases(zipf, tmp_path / "a.txt", thresholds=[20, 5])
    assert [(p.phrase, p.score, p.count) for p in found.phrases] == whole[0]
    assert (tmp_path / "a.txt").read_bytes() == whole[1]
    assert len(whole[0]) > 20


def test_little_memory_changes_nothing(zipf, whole):
    small = passes(zipf, memory=1 << 12)
    assert small[:2] == whole[:2]
    assert small[2] < 1 << 19 < 1 << 20 < whole[2]  # a table of pairs begins with 1 MiB


def test_small_chunks_and_small_tables_change_nothing(zipf, whole):
    assert passes(zipf, chunk=7)[:2] == whole[:2]


def word2phrase_scorer(worda_count, wordb_count, bigram_count, len_vocab, min_count, corpus_word_count):
    """gensim's default multiplies by the number of types and pairs instead of the tokens."""
    return (bigram_count - min_count) / (worda_count * wordb_count) * corpus_word_count


def test_gensim_finds_the_same_phrases_with_the_same_scores(gensim, zipf, tmp_path):
    from gensim.models.phrases import Phrases

    output = tmp_path / "out.txt"
    sentences = zipf
    found = join_phrases(sentences, output, min_count=3, thresholds=[30, 8])
    for number, threshold in ((1, 30), (2, 8)):
        theirs = Phrases(sentences, min_count=3, threshold=threshold, scoring=word2phrase_scorer)
        mine = {p.phrase: p.score for p in found.phrases if p.number == number}
        joined = theirs.find_phrases(sentences)  # some pairs always overlap with one before them
        assert len(joined) > 3 and joined.items() <= mine.items()
        ratio = theirs.corpus_word_count / len(theirs.vocab)
        default = Phrases(sentences, min_count=3, threshold=threshold / ratio)
        scores = default.find_phrases(sentences)
        assert {p: scores[p] * ratio for p in scores} == pytest.approx(joined)
        sentences = list(theirs[sentences])
    assert output.read_text() == "".join(" ".join(sentence) + "\n" for sentence in sentences)


def test_gensim_agrees_on_the_embedded_corpus(gensim, tmp_path):
    from gensim.models.phrases import Phrases

    from w2v_hs.text.named_corpora import open_text

    sentences = [line.split() for line in b"".join(open_text("factbook")).decode().split("\n")]
    found = join_phrases("factbook", thresholds=[100])
    theirs = Phrases(sentences, min_count=5, threshold=100, scoring=word2phrase_scorer)
    # A pair that always is part of an overlapping one is found, but never joined: gensim's export
    # has it as well.
    assert {p.phrase: p.score for p in found.phrases} == theirs.export_phrases()
    assert "saudi_arabia" in theirs.export_phrases()


# ---- the file -----------------------------------------------------------------------------------

TEXT = "".join(f"a{i} new  york times b{i}\n\n  c{i}\tnew york\td{i} \r\n" for i in range(30))
JOINED = "".join(f"a{i} new_york_times b{i}\nc{i} new_york d{i}\n" for i in range(30))


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_the_text_is_written_as_its_name_says_and_read_again(tmp_path, suffix):
    (tmp_path / "in.txt").write_text(TEXT)
    output = tmp_path / f"out.txt{suffix}"
    read = {"": bytes, ".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
    if suffix == ".zst":
        read[".zst"] = pytest.importorskip("zstandard").ZstdDecompressor().stream_reader
    found = join_phrases(tmp_path / "in.txt", output, thresholds=[4, 2])
    assert [p.phrase for p in found.phrases] == ["new_york", "new_york_times"]
    data = read[suffix](output.read_bytes())
    if suffix == ".zst":
        data = data.read()
    assert data.decode() == JOINED
    first = output.read_bytes()
    join_phrases(tmp_path / "in.txt", output, thresholds=[4, 2])
    assert output.read_bytes() == first  # no time, no name
    assert read_corpus(output).vocabulary.words == ["new_york", "new_york_times"]


def test_files_stay_apart_and_lines_are_not_cut(tmp_path):
    """Nothing is joined across lines or files; a line of many words stays one."""
    (tmp_path / "1").write_text("a b\na b\na")
    (tmp_path / "2").write_text("b " + "c d " * 3000)
    output = tmp_path / "out.txt"
    found = join_phrases(
        [tmp_path / "1", tmp_path / "2"], output, min_count=1, delta=0, thresholds=[1000], connector="+"
    )
    assert [(p.phrase, p.count) for p in found.phrases] == [("a+b", 2)]
    assert output.read_text() == "a+b\na+b\na\nb " + " ".join(["c d"] * 3000) + "\n"


def test_text_options_apply(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"text": "New-York, new-york."}\n' * 6)
    found = join_phrases(
        tmp_path / "t.jsonl",
        tmp_path / "out",
        lowercase=True,
        tokenize="wordpunct",
        text_column="text",
        thresholds=[1],
    )
    assert found.tokens == 6 * 8
    assert (tmp_path / "out").read_text() == "new_- york , new_- york .\n" * 6


# ---- what must be refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"min_count": 0},
        {"delta": -1},
        {"delta": float("nan")},
        {"thresholds": []},
        {"thresholds": [1, 2]},
        {"thresholds": [float("inf")]},
        {"thresholds": [-1]},
        {"thresholds": "9"},
        {"thresholds": 9},
        {"connector": ""},
        {"connector": "a b"},
        {"connector": "\0"},
        {"connector": "\ud800"},
        {"connector": 3},
        {"threads": 0},
    ],
    ids=str,
)
def test_options_out_of_their_range(options):
    with pytest.raises(OptionError) as caught:
        join_phrases([["a", "b"]], **options)
    assert "\n" not in str(caught.value)


def test_outputs_that_could_not_be_read_again(tmp_path):
    for name, kind in (("a.jsonl", "jsonl"), ("a.parquet", "parquet"), ("a.jsonl.gz", "jsonl")):
        with pytest.raises(OutputError, match=f"{name}: the text is written plain, not as {kind}"):
            join_phrases([["a", "b"]], tmp_path / name)
    with pytest.raises(OutputError, match="cannot write there"):
        join_phrases([["a", "b"]], tmp_path / "nowhere" / "a.txt")
    for token in ("new york", "a\nb", "\u3000"):
        (tmp_path / "old.txt").write_text("old")
        with pytest.raises(CorpusError, match="token lists: a token holds white space"):
            join_phrases([["a", token]], tmp_path / "old.txt")
        assert (tmp_path / "old.txt").read_text() == "old"
        join_phrases([["a", token]])
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]


def test_the_command(tmp_path, run, fails):
    text, output = tmp_path / "in.txt", tmp_path / "out.txt"
    text.write_text(TEXT)
    done = run("phrases", text, "-o", output, "--threshold", "4", "--threshold", "2", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["tokens"] == 270 and found["tokens_after"] == 180 and found["passes"][0]["threshold"] == 4
    names = [(phrase["phrase"], phrase["pass"]) for phrase in found["phrases"]]
    assert names == [("new_york", 1), ("new_york_times", 2)]
    assert found == join_phrases(text, thresholds=[4, 2]).as_dict()
    shown = run("phrases", text, "-o", output, "--threshold", "4").stdout.decode()
    assert "new_york" in shown and "score" in shown
    assert "is given twice" in fails("phrases", text, "-o", text)
    assert "a file is written" in fails("phrases", text, "-o", "-")
    assert "do not rise" in fails("phrases", text, "-o", output, "--threshold", "1", "--threshold", "2")
    assert "0 tokens in" in fails("phrases", "-", "-o", output, input=b"\n \n")
    before = output.read_bytes()
    (tmp_path / "bad.txt").write_bytes(b"a b\n\xff\n")
    message = fails("phrases", tmp_path / "bad.txt", "-o", output)
    assert "bad.txt:2: byte 4: 0xff is not UTF-8" in message
    assert output.read_bytes() == before
