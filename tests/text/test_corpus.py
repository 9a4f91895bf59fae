"""Text to ids: against `str.split` and a dict, on generated text and on real files."""

import bz2
import errno
import gzip
import itertools
import lzma
import os
import resource
import tempfile
from pathlib import Path

import naive
import numpy as np
import pytest
from conftest import SHARED
from hypothesis import given
from hypothesis import strategies as st

from w2v_hs.errors import CorpusError, OptionError, OutputError, VocabularyError
from w2v_hs.kernels import tokens as token_kernels
from w2v_hs.model.new_words import check_counts
from w2v_hs.options import Preprocessing
from w2v_hs.text.blocks import whole_tokens
from w2v_hs.text.corpus import read_corpus
from w2v_hs.text.sources import find_sources
from w2v_hs.vectors import Vectors, save_vectors

SPACES = "\t\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2007\u200a\u2028\u2029\u202f\u205f\u3000"
# Neighbours of the white space in UTF-8, which are not white space.
NEAR = "\u200b\u2010\u202a\u2060\u00a1\u0084\u1681\u3001\ufeff\ud7ff"
WORDS = "abéßж中😀"
texts = st.text(st.sampled_from(SPACES + "\n" * 8 + " " * 8 + NEAR + WORDS * 4), max_size=300)


def sentences(corpus):
    bounds = corpus.sentences
    return [corpus.ids[a:b].tolist() for a, b in itertools.pairwise(bounds)]


def write(folder, text, name="text.txt"):
    path = Path(folder) / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def assert_same(corpus, text, min_count=1):
    words, counts, expected = naive.encode(text, min_count)
    assert corpus.vocabulary.words == words
    assert corpus.vocabulary.counts.tolist() == counts
    assert sentences(corpus) == expected


@given(text=texts, threads=st.integers(1, 3))
def test_any_text_is_split_as_python_splits_it(text, threads):
    text += "\nfirst second"  # two words at least
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, text)
        corpus = read_corpus(path, min_count=1, threads=threads)
    # A byte order mark at the start of a file is not text.
    assert_same(corpus, text.removeprefix("\ufeff"))


def scan_alone(data):
    """The tokens of one block, by the compiled scanner alone."""
    block = np.frombuffer(data + b"\n" + bytes(token_kernels.PAD), np.uint8)
    types, stream = token_kernels.new_types(256, 1 << 10), np.zeros(len(block), np.int32)
    position, written = token_kernels.scan(block, len(data) + 1, 0, types, stream)
    assert position == len(data) + 1
    words = token_kernels.words_of(types, np.arange(types.used[0]))
    return [words[number] for number in stream[:written] if number != token_kernels.END]


@given(st.text(max_size=60))
def test_white_space_is_what_python_takes_for_it(text):
    """Every code point of Unicode has its chance here, not only chosen ones."""
    found = scan_alone(text.replace("\0", "").encode(errors="ignore"))
    assert found == text.replace("\0", "").encode(errors="ignore").decode().split()


def test_every_code_point_that_is_white_space():
    for code in [*range(1, 0xD800), *range(0xE000, 0x11000)]:
        text = f"a{chr(code)}b"
        assert scan_alone(text.encode()) == text.split(), hex(code)


@given(pieces=st.lists(st.binary(max_size=12).map(lambda b: bytes(c % 3 + 31 for c in b)), max_size=9))
def test_cutting_into_blocks_loses_nothing(pieces):
    data = b"".join(pieces)
    blocks = list(whole_tokens(((piece, 0) for piece in pieces), "t"))
    assert b"".join(block.data for block in blocks) == data + b"\n"
    for before, after in itertools.pairwise(blocks):
        assert before.data[-1:] in b" \n"
        assert after.offset == before.offset + len(before.data)


def test_many_types_and_long_tokens_make_the_table_grow(tmp_path):
    text = "\n".join(f"word{i} {'x' * (i % 50)}{i}" for i in range(60_000)) + " " + "y" * 3_000_000
    assert_same(read_corpus(write(tmp_path, text), min_count=1, threads=2), text)


def test_long_lines_are_cut_and_nothing_is_dropped(tmp_path):
    text = " ".join(str(i % 7) for i in range(1_000_003))
    corpus = read_corpus(write(tmp_path, text), min_count=1)
    assert len(corpus.ids) == 1_000_003
    assert np.diff(corpus.sentences).max() == 1000
    assert len(corpus.sentences) == 1002


def test_sentences_end_at_1000_words_exactly(tmp_path):
    lines = [" ".join(str(i % 7) for i in range(n)) for n in (1, 999, 1000, 1001, 1002, 2000, 2001)]
    assert_same(read_corpus(write(tmp_path, "\n".join(lines)), min_count=1), "\n".join(lines))


def test_threads_change_nothing(tmp_path):
    generator = np.random.default_rng(1)
    words = generator.zipf(1.3, 700_000)
    text = " ".join(f"w{i}\n" if i == 1 else f"w{i}" for i in words)
    path = write(tmp_path, text)
    one, three = (read_corpus(path, threads=n) for n in (1, 3))
    assert one.vocabulary.words == three.vocabulary.words
    np.testing.assert_array_equal(one.ids, three.ids)
    np.testing.assert_array_equal(one.sentences, three.sentences)
    assert one.checksum == three.checksum


def test_crlf_and_byte_order_mark(tmp_path):
    corpus = read_corpus(write(tmp_path, b"\xef\xbb\xbfone two\r\none two\r\n"), min_count=2)
    assert corpus.vocabulary.words == ["one", "two"]
    assert sentences(corpus) == [[0, 1], [0, 1]]


def test_lowercase(tmp_path):
    corpus = read_corpus(
        write(tmp_path, "Der STRASSE ÉTÉ der"), min_count=1, preprocessing=Preprocessing(lowercase=True)
    )
    assert corpus.vocabulary.words == ["der", "strasse", "été"]


# ---- where text comes from ----------------------------------------------------------------------

TEXT = "a b c\nb c\n" * 50


def compress_zst(data):
    import zstandard

    return zstandard.compress(data)


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", compress_zst)],
)
def test_compressed_files(tmp_path, suffix, compress):
    if suffix == ".zst":
        pytest.importorskip("zstandard")
    data = compress(TEXT.encode()) + compress(TEXT.encode())  # two members, as `cat` makes them
    assert_same(read_corpus(write(tmp_path, data, f"t{suffix}")), TEXT * 2)
    big = compress(np.random.default_rng(1).bytes(200_000).hex().encode())
    for damaged in (big[: len(big) // 2], big[:-1], b"not compressed", b""):
        path = write(tmp_path, damaged, f"bad{suffix}")
        with pytest.raises(CorpusError, match=rf"bad{suffix}: damaged .*before byte \d* of {len(damaged)}"):
            read_corpus(path)
    # What follows a whole first stream is not dropped.
    once = compress(TEXT.encode())
    for damaged in (once[:20] + b"damage" + once[26:], once[: len(once) // 2], b"garbage", b"\0\0"):
        if suffix == ".gz" and damaged == b"\0\0":
            continue  # gzip itself lets zeros follow
        path = write(tmp_path, once + damaged, f"bad{suffix}")
        with pytest.raises(CorpusError, match=rf"bad{suffix}: damaged"):
            read_corpus(path)


@pytest.mark.parametrize("odd", ["\0", "\ud800"])
def test_what_no_text_holds_is_refused_in_tokens_too(odd):
    with pytest.raises(CorpusError, match=r"corpus\[1\] holds the token 'b\\\w+': a NUL or lone surrogate"):
        read_corpus([["a", "b"], ["a", f"b{odd}"]])
    with pytest.raises(VocabularyError, match="expected a word, without NUL or lone surrogates"):
        check_counts({f"b{odd}": 1})  # of `Model.add_words`


def test_xz_padding(tmp_path):
    one = lzma.compress(TEXT.encode())
    path = write(tmp_path, one + bytes(8) + one + bytes(1 << 17), "t.xz")
    assert_same(read_corpus(path), TEXT * 2)
    with pytest.raises(CorpusError, match="padding between streams"):
        read_corpus(write(tmp_path, one + bytes(3) + one, "t.xz"))


def test_text_that_grows_much_when_decompressed(tmp_path):
    data = b"word other\n" * 1_000_000
    for suffix, compress in ((".bz2", bz2.compress), (".xz", lzma.compress)):
        (source,) = find_sources(write(tmp_path, compress(data), f"t{suffix}"))
        blocks = [block for block, _ in source.blocks()]
        assert b"".join(blocks) == data
        assert max(map(len, blocks)) <= 1 << 20


def test_zst_of_blocks_that_repeat_one_byte(tmp_path):
    """Each four bytes of it unfold to 128 KiB: only some of them may be in memory at a time."""
    pytest.importorskip("zstandard")
    size, blocks = 128 << 10, 10_000
    block = (1 << 1 | size << 3).to_bytes(3, "little") + b" "
    last = (1 | 1 << 1 | size << 3).to_bytes(3, "little") + b" "
    data = b"\x28\xb5\x2f\xfd\x00\x58" + block * (blocks - 1) + last
    (source,) = find_sources(write(tmp_path, data, "t.zst"))
    sizes = [len(unfolded) for unfolded, _ in source.blocks()]
    assert sum(sizes) == size * blocks
    assert max(sizes) <= 64 << 20


def test_zst_with_a_large_window(tmp_path):
    pytest.importorskip("zstandard")
    text = b"a b\n" * 9
    # A frame made by hand: magic, no flags, a window of 2^28 bytes, one raw block.
    frame = b"\x28\xb5\x2f\xfd\x00\x90" + (1 | len(text) << 3).to_bytes(3, "little") + text
    assert_same(read_corpus(write(tmp_path, frame, "t.zst")), text.decode())


def test_folders_globs_and_lists_of_files(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    write(tmp_path, "a b\n", "1.txt")
    write(tmp_path, "c\n", "sub/2.txt")
    write(tmp_path, "hidden\n", ".hidden")
    for source in (
        tmp_path,
        str(tmp_path),
        f"{tmp_path}/**/*.txt",
        [tmp_path / "1.txt", tmp_path / "sub" / "2.txt"],
    ):
        assert_same(read_corpus(source, min_count=1), "a b\nc\n")


def test_a_pattern_that_matches_folders_reads_what_is_below_them_once(tmp_path):
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    write(tmp_path, "a b\n", "1.txt")
    write(tmp_path, "c\n", "sub/deep/2.txt")
    for pattern in ("*", "**", "**/*"):
        assert_same(read_corpus(f"{tmp_path}/{pattern}", min_count=1), "a b\nc\n")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.symlink_to("nowhere"), "sub/odd: is a link to nothing"),
        (lambda path: path.symlink_to(path.parent), "sub/odd: is a link to a folder; name it"),
        (os.mkfifo, "sub/odd: is neither a file nor a folder"),
    ],
)
def test_nothing_in_a_folder_is_skipped_without_a_word(tmp_path, make, message):
    (tmp_path / "sub").mkdir()
    write(tmp_path, TEXT, "1.txt")
    make(tmp_path / "sub" / ".hidden")
    assert_same(read_corpus(tmp_path), TEXT)
    make(tmp_path / "sub" / "odd")
    for source in (tmp_path, f"{tmp_path}/*", f"{tmp_path}/sub/*"):
        with pytest.raises(CorpusError, match=message):
            read_corpus(source)


def test_exported_vectors_in_a_folder_of_text_are_noticed(tmp_path, recwarn):
    write(tmp_path, TEXT, "1.txt")
    write(tmp_path, "1984 2\na b\n", "2.txt")  # no vectors
    assert read_corpus(tmp_path).tokens and not recwarn.list
    save_vectors(Vectors(["a", "b"], np.ones((2, 3))), tmp_path / "sub.vec")
    with pytest.warns(UserWarning, match=r"sub\.vec: looks like vectors in word2vec's text format"):
        read_corpus(tmp_path)


def test_a_link_to_a_file_is_read(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(write(tmp_path, TEXT))
    assert_same(read_corpus(tmp_path / "folder"), TEXT)


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    write(tmp_path, TEXT, "1.txt")
    scandir = os.scandir

    def refuse(path):  # root may read everything, so modes do not help
        if str(path).endswith("sub"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(CorpusError, match="sub: cannot be read: Permission denied"):
        read_corpus(tmp_path)


def test_files_without_a_last_newline_do_not_run_together(tmp_path):
    paths = [write(tmp_path, "one two", "1"), write(tmp_path, "two one", "2")]
    assert sentences(read_corpus(paths, min_count=2)) == [[0, 1], [1, 0]]


def test_nltk_corpora(monkeypatch):
    if not SHARED.exists():
        pytest.skip("needs NLTK's data")
    monkeypatch.setenv("NLTK_DATA", str(SHARED / "data" / "nltk_data"))
    monkeypatch.setattr("nltk.data.path", [str(SHARED / "data" / "nltk_data")])
    corpus = read_corpus("nltk:brown")
    assert corpus.tokens == 1_161_192  # as NLTK's own documentation counts them
    assert len(corpus.sentences) - 1 > 55_000


@pytest.mark.parametrize("make", [list, tuple, iter, lambda lists: (s for s in lists)])
def test_lists_of_tokens(make):
    lists = [["new york", "is", "big"], ["is", "new york"], [], ["big"]]
    corpus = read_corpus(make(lists), min_count=1)
    assert corpus.vocabulary.words == ["big", "is", "new york"]
    assert sentences(corpus) == [[2, 1, 0], [1, 2], [0]]


# ---- what must be refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "corpus",
    [
        "the cat sat on the mat and then it slept",
        ["the cat sat", "on the mat"],
        [b"the cat"],
        [["the", "cat"], "sat"],
        [["the", 3.5]],
        [["the", ""]],
        42,
        {"a": ["b"]},
        {("a", "b")},
        [{"a", "b"}],
        [{"a": 1}],
        [[np.zeros((9, 9))]],
        "a\nb",
        "word " * 100,
    ],
)
def test_anything_else_is_a_type_error_that_shows_it(corpus):
    with pytest.raises(TypeError, match="expected") as caught:
        read_corpus(corpus)
    assert "\n" not in str(caught.value)


def test_a_list_of_str_shows_the_first_item_and_the_remedy():
    with pytest.raises(TypeError, match=r"corpus\[0\] is 'the cat sat'.*s\.split\(\)"):
        read_corpus(["the cat sat", "on the mat"])


def test_sets_are_told_how_to_be_trained_on():
    with pytest.raises(TypeError, match=r"corpus\[0\] is of type set, .* sort them, .* window=None"):
        read_corpus([{"bread", "milk"}])


def test_missing_files(tmp_path):
    with pytest.raises(CorpusError, match=r"none\.txt: no such file"):
        read_corpus(tmp_path / "none.txt")
    with pytest.raises(CorpusError, match="a folder without files"):
        read_corpus(tmp_path)
    with pytest.raises(CorpusError, match="'': empty name"):
        read_corpus("")
    for name in ("a\0b", "a\0/*"):
        with pytest.raises(CorpusError, match=r"a\\x00.*: no such file"):
            read_corpus(name)


def test_names_are_shown_on_one_line(tmp_path):
    name = "a\nb\x1b[1m.txt"
    for read in (
        lambda: read_corpus(tmp_path / name),
        lambda: read_corpus(write(tmp_path, "", name)),
        lambda: read_corpus(write(tmp_path, b"\xff", name)),
        lambda: read_corpus(write(tmp_path, b"\xff", name + ".xz")),
        lambda: read_corpus(tmp_path / ("\n" * 5000)),
    ):
        with pytest.raises(CorpusError) as caught:
            read()
        assert str(caught.value).isprintable() and "\\n" in str(caught.value)


def test_standard_input_that_is_closed(monkeypatch):
    with pytest.raises(CorpusError, match="standard input can be read once"):
        read_corpus([Path("-"), Path("-")])
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(CorpusError, match="standard input is closed"):
        read_corpus("-")


def test_no_room_for_the_temporary_file():
    lists = [["x", "y"] * 5000] * 50
    read_corpus(lists)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OutputError, match=r"File too large after 1,000,000 bytes.*ulimit -f"):
            read_corpus(lists)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_errors_of_a_generator_pass_unchanged():
    def broken():
        yield ["a", "b"]
        raise OSError(errno.ENOSPC, "of the generator")

    with pytest.raises(OSError, match="of the generator") as caught:
        read_corpus(broken())
    assert type(caught.value) is OSError


def test_tokens_of_numpy_become_plain():
    corpus = read_corpus([np.array(["a", "b"]), ["a"]], min_count=1)
    assert [type(word) for word in corpus.vocabulary.words] == [str, str]


@pytest.mark.parametrize("corpus", [[], [[]], iter([])])
def test_no_tokens(corpus):
    with pytest.raises(CorpusError, match="0 tokens in token lists"):
        read_corpus(corpus)


def test_no_tokens_in_a_file(tmp_path):
    for text in ("", "\n \n", "\ufeff"):
        path = write(tmp_path, text)
        with pytest.raises(CorpusError, match=r"0 tokens in .*text\.txt"):
            read_corpus(path)


def test_all_words_too_rare():
    message = "all 3 types occur fewer than min_count=5 times; the most frequent, 'x', occurs 3 times"
    with pytest.raises(VocabularyError, match=message):
        read_corpus([["x", "y", "x", "z", "x"]])


def test_one_word():
    with pytest.raises(VocabularyError, match="need at least 2 words, found 1: 'x'"):
        read_corpus([["x"] * 9])


@pytest.mark.parametrize("threads", [1, 2])
def test_bad_bytes_are_found_with_line_and_byte(tmp_path, threads):
    good = "line of words\n" * 200_000  # several blocks
    path = write(tmp_path, good.encode() + b"x\n\xffy z\n" + good.encode())
    at = len(good) + 2
    with pytest.raises(CorpusError, match=rf"text\.txt:200002: byte {at}: 0xff is not UTF-8"):
        read_corpus(path, threads=threads)
    path = write(tmp_path, good.encode() + b"x\0y\n")
    with pytest.raises(CorpusError, match=rf"text\.txt:200001: byte {at - 1}: a NUL byte"):
        read_corpus(path, threads=threads)


@pytest.mark.parametrize(("errors", "word"), [("replace", "a\ufffdb"), ("ignore", "ab")])
def test_bad_bytes_are_mended_on_request_and_counted(tmp_path, errors, word):
    path = write(tmp_path, b"a\xffb c \xef\xbf\xbd\n" * 3)
    corpus = read_corpus(path, min_count=1, preprocessing=Preprocessing(errors=errors))
    assert corpus.mended == 3
    assert word in corpus.vocabulary.words and "\ufffd" in corpus.vocabulary.words


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-be", "utf-32", "UTF8", "cp037"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_text_in_other_encodings(tmp_path, encoding, suffix):
    text = "".join(f"élan naïve {'x' * (i % 9)}é\nßa b\n" for i in range(50_000))
    data = text.encode(encoding)
    path = write(tmp_path, gzip.compress(data, 1) if suffix else data, f"t.txt{suffix}")
    preprocessing = Preprocessing(encoding=encoding)
    assert_same(read_corpus(path, min_count=1, preprocessing=preprocessing, threads=2), text)


def test_json_lines_and_standard_input_in_another_encoding(tmp_path, run):
    rows = '{"text": "élan vital élan"}\n'.encode("utf-16")
    preprocessing = Preprocessing(encoding="utf-16", text_column="text")
    corpus = read_corpus(write(tmp_path, rows, "t.jsonl"), min_count=1, preprocessing=preprocessing)
    assert corpus.vocabulary.words == ["élan", "vital"]
    model = tmp_path / "m.safetensors"
    few = ("-o", model, "--dim", 4, "--epochs", 1, "--threads", 1, "--sample", 0)
    raw = ("élan vital\n" * 9).encode("latin-1")
    done = run("train", "-", *few, "--encoding", "latin-1", input=raw)
    assert done.returncode == 0, done.stderr
    scored = run("score", model, "-", "--encoding", "latin-1", "--oov", "error", input=raw)
    assert "élan vital" in scored.stdout.decode()


def test_what_an_encoding_cannot_decode(tmp_path, run):
    path = write(tmp_path, b"a b\nb \x81\x81 a\n" * 5)
    with pytest.raises(CorpusError, match=r"text\.txt:2: bytes that are not cp1252; give another encoding"):
        read_corpus(path, preprocessing=Preprocessing(encoding="cp1252"))
    for errors, words in (("replace", ["a", "b", "\ufffd\ufffd"]), ("ignore", ["a", "b"])):
        preprocessing = Preprocessing(encoding="cp1252", errors=errors)
        corpus = read_corpus(path, min_count=1, preprocessing=preprocessing)
        assert corpus.vocabulary.words == words and corpus.mended == 10
    odd = write(tmp_path, "a b\n".encode("utf-16") + b"c", "odd.txt")
    with pytest.raises(CorpusError, match=r"odd\.txt:2: bytes that are not utf-16"):
        read_corpus(odd, preprocessing=Preprocessing(encoding="utf-16"))
    with pytest.raises(CorpusError, match=r"text\.txt: cannot be read as utf-16: .* BOM"):
        read_corpus(path, preprocessing=Preprocessing(encoding="utf-16"))
    with pytest.raises(CorpusError, match="factbook: a named corpus is UTF-8; give encoding='utf-8'"):
        read_corpus("factbook", preprocessing=Preprocessing(encoding="latin-1"))
    of_no_file = ("unicode_escape", "raw_unicode_escape", "UTF-7", "punycode", "idna")
    for encoding in ("nonsense", "rot13", "", None, 5, "a\0b", *of_no_file):
        with pytest.raises(OptionError, match="expected a text encoding of Python, such as latin-1"):
            Preprocessing(encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_byte_order_mark_names_the_encoding(tmp_path, fails, encoding):
    path = write(tmp_path, "a b\n".encode(encoding))
    mark = f"text.txt: not UTF-8: its byte order mark is that of {encoding.upper()}; give "
    for errors in ("strict", "ignore"):
        with pytest.raises(CorpusError) as caught:
            read_corpus(path, preprocessing=Preprocessing(errors=errors))
        assert str(caught.value).endswith(f"{mark}encoding='{encoding}'")
    shown = fails("train", path, "-o", tmp_path / "m.safetensors")
    assert shown.endswith(f"{mark}--encoding {encoding}\n")


def test_errors_name_options_as_the_user_writes_them(tmp_path, fails):
    path = write(tmp_path, b"a \xff b\n")
    advice = "if all of the text has another encoding, give it, such as {}; else convert this file to "
    advice += "UTF-8, or"
    with pytest.raises(CorpusError) as caught:
        read_corpus(path)
    advised = advice.format("encoding='latin-1'")
    assert f"{advised} train with errors='replace'" in str(caught.value)
    shown = fails("train", path, "-o", tmp_path / "m.safetensors")
    advised = advice.format("--encoding latin-1")
    assert f"{advised} train with --errors replace (inserts U+FFFD) or ignore" in shown


def test_given_vocabulary(tmp_path):
    from w2v_hs.text.vocabulary import load_vocabulary

    words = load_vocabulary(write(tmp_path, "b 7\na 9\n"))
    corpus = read_corpus([["a", "c", "b"]], vocabulary=words)
    assert corpus.vocabulary.words == ["a", "b"] and sentences(corpus) == [[0, 1]]
    with pytest.raises(CorpusError, match="none of the 1 types"):
        read_corpus([["c"]], vocabulary=words)
