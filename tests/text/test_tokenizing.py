"""Raw text: NLTK's tokenisers and sentence splitter, and NLTK's corpora by name."""

import json
from importlib import import_module

import naive
import nltk
import pytest
from conftest import SHARED
from hypothesis import given
from hypothesis import strategies as st
from nltk import tokenize
from nltk.corpus.reader import (
    CorpusReader,
    PlaintextCorpusReader,
    TaggedCorpusReader,
    TwitterCorpusReader,
    WordListCorpusReader,
)

import w2v_hs
from w2v_hs.errors import CorpusError, OptionError
from w2v_hs.options import Preprocessing
from w2v_hs.text import tokenizing
from w2v_hs.text.blocks import LONGEST_LINE, read_lines
from w2v_hs.text.corpus import read_corpus
from w2v_hs.text.named_corpora import open_text
from w2v_hs.text.sources import find_sources

NLTK = {
    "treebank": tokenize.TreebankWordTokenizer(),
    "tweet": tokenize.TweetTokenizer(),
    "wordpunct": tokenize.WordPunctTokenizer(),
    "toktok": tokenize.ToktokTokenizer(),
}
RAW = """Dr. Smith can't come, he said. "Why not?" asked Ms. Jones; nobody knew.
It cost $3.50 (or so). Call +1 555 123 4567 :-) #later @you http://a.b/c?d=e

Élan, naïveté & Straße... don't.
"""


@pytest.fixture
def punkt(tmp_path, monkeypatch):
    """A model of Punkt that knows one abbreviation, where NLTK finds it."""
    folder = tmp_path / "nltk" / "tokenizers" / "punkt_tab" / "english"
    folder.mkdir(parents=True)
    (folder / "abbrev_types.txt").write_text("dr\n")
    for name in ("collocations.tab", "sent_starters.txt", "ortho_context.tab"):
        (folder / name).write_text("")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk")])
    tokenizing.sentence_splitter.cache_clear()
    yield tmp_path / "nltk"
    tokenizing.sentence_splitter.cache_clear()


@pytest.fixture
def no_punkt(monkeypatch):
    monkeypatch.setattr(nltk.data, "path", [])
    tokenizing.sentence_splitter.cache_clear()


def lines_of(path, preprocessing):
    (source,) = find_sources(path)
    return list(read_lines(source, preprocessing))


def spaced(tokens):
    return " ".join(" ".join(tokens).split())


# ---- raw text -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NLTK)
def test_words_are_those_of_nltk(tmp_path, name):
    path = tmp_path / "t.txt"
    path.write_text(RAW)
    expected = [spaced(NLTK[name].tokenize(line)) for line in RAW.splitlines()]
    assert lines_of(path, Preprocessing(tokenize=name)) == expected
    lower = Preprocessing(tokenize=name, lowercase=True)
    assert lines_of(path, lower) == [line.lower() for line in expected]
    corpus = read_corpus(path, min_count=1, preprocessing=lower, threads=2)
    assert corpus.tokens == sum(len(line.split()) for line in expected)
    assert len(corpus.sentences) - 1 == 3


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
def test_any_text_is_tokenised_without_a_loss_of_lines(text):
    for name, tokenizer in NLTK.items():
        lines = [tokenizing.tokenized(line, name, None) for line in text.split("\n")]
        assert lines == [spaced(tokenizer.tokenize(line)) for line in text.split("\n")]
        assert not any("\n" in line for line in lines)


# Letters, marks, digits, joiners, points, white space, symbols, and the neighbours of these.
CHARACTERS = "aBé'’·._ 1٣٫,\u0301\u093f\u200d\u00ad!-…—²中😀\u00a0\u2028\u3000\r\n"
LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
RAW_TEXTS = st.text(st.one_of(st.sampled_from(CHARACTERS), LETTERS), max_size=40)


@given(RAW_TEXTS)
def test_words_are_those_of_the_slow_rules(text):
    found = tokenizing.split_words(text.encode()).decode()
    assert [line.split() for line in found.split("\n")] == naive.split_words(text)


def test_words_of_prose():
    text = "“Don’t,” she said—well... it's $3.50, 1,000 (new_york) _very_ l'été U.S. naïve\u0301 'so'"
    expected = (
        "“ Don't , ” she said — well ... it's $ 3.50 , 1,000 ( new_york ) _ very _ l'été U . S . "
        "naïve\u0301 ' so '"
    )
    assert tokenizing.split_words(text.encode()).decode().split() == expected.split()


@pytest.mark.parametrize("lowercase", [False, True])
def test_words_are_the_same_however_text_comes(tmp_path, lowercase, punkt):
    """Blocks, JSON lines and sentences take different ways through the reader."""
    (tmp_path / "t.txt").write_text(RAW)
    rows = [json.dumps({"text": line}) + "\n" for line in RAW.splitlines()]
    (tmp_path / "t.jsonl").write_text("".join(rows))
    words = {"tokenize": "words", "lowercase": lowercase}
    lines = lines_of(tmp_path / "t.txt", Preprocessing(**words))
    expected = [" ".join(tokens) for tokens in naive.split_words(RAW.lower() if lowercase else RAW)]
    assert [spaced(line.split()) for line in lines] == expected[: len(lines)]
    (source,) = find_sources(tmp_path / "t.jsonl", "text")
    assert list(read_lines(source, Preprocessing(**words, text_column="text"))) == expected[: len(lines)]
    split = lines_of(tmp_path / "t.txt", Preprocessing(**words, split_sentences="english"))
    assert len(split) > len(lines) and " ".join(split).split() == " ".join(lines).split()


def test_a_line_of_any_length_is_tokenised_by_words(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"so, " * (LONGEST_LINE // 4 + 1))
    corpus = read_corpus(path, preprocessing=Preprocessing(tokenize="words"))
    assert corpus.vocabulary.words == [",", "so"] and corpus.tokens == 2 * (LONGEST_LINE // 4 + 1)


def test_raw_text_is_noticed(tmp_path, run):
    path, few = tmp_path / "t.txt", {"dim": 4, "epochs": 1, "threads": 1}
    path.write_text("Freedom, he said, is freedom. The end of freedom is the end.\n" * 20)
    message = "of the words differ from others only by punctuation or case, such as 'Freedom,' and 'freedom'"
    advice = "tokenize='words' and lowercase=True"
    with pytest.warns(UserWarning, match=f"% {message}; to join them give {advice}$") as noticed:
        w2v_hs.train(path, **few)
    assert {each.filename for each in noticed} == {__file__}  # the line that called the package
    lists = [line.split() for line in path.read_text().splitlines()]
    with pytest.warns(UserWarning, match=f"give the path of the text with {advice}$"):
        w2v_hs.train(lists, **few)
    output = ("-o", tmp_path / "m.safetensors", "--dim", 4, "--epochs", 1, "--threads", 1)
    done = run("train", path, *output)
    assert f"% {message}; to join them give --tokenize words and --lowercase\n" in done.stderr.decode()
    assert b"differ" not in run("train", path, *output, "--tokenize", "words", "--lowercase").stderr
    cased = run("train", path, *output, "--tokenize", "words").stderr.decode()
    assert "only by case, such as 'freedom' and 'Freedom'; to join them give --lowercase" in cased


def test_sentences_are_those_of_punkt(tmp_path, punkt):
    path = tmp_path / "t.txt"
    path.write_text(RAW)
    both = Preprocessing(tokenize="treebank", split_sentences="english")
    sentences = [s for line in RAW.splitlines() for s in tokenize.sent_tokenize(line) or [""]]
    assert "Dr. Smith can't come, he said." in sentences and len(sentences) > 5
    expected = [spaced(NLTK["treebank"].tokenize(sentence)) for sentence in sentences]
    assert lines_of(path, both) == expected
    alone = Preprocessing(split_sentences="english")
    assert lines_of(path, alone) == [spaced(sentence.split()) for sentence in sentences]


def test_a_missing_model_of_punkt_names_the_command(tmp_path, no_punkt, fails):
    path = tmp_path / "t.txt"
    path.write_text(RAW)
    message = "NLTK finds no Punkt model of german sentences; fetch it (python -m nltk.downloader punkt_tab)"
    preprocessing = Preprocessing(split_sentences="german")
    for read in (read_corpus, lines_of):
        with pytest.raises(CorpusError) as caught:
            read(path, preprocessing=preprocessing)
        assert str(caught.value).startswith(message)
        assert "or leave split_sentences out: each line" in str(caught.value)
    shown = fails(
        "train",
        path,
        "-o",
        tmp_path / "m.safetensors",
        "--split-sentences",
        "german",
        env={"NLTK_DATA": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert shown.startswith(f"error: {message}, or leave --split-sentences out: each line is")
    assert "--tokenize words separates" in shown


def test_a_damaged_model_of_punkt(tmp_path, punkt):
    (punkt / "tokenizers" / "punkt_tab" / "english" / "ortho_context.tab").write_text("x\ty\n")
    (tmp_path / "t.txt").write_text(RAW)
    with pytest.raises(CorpusError, match="NLTK's Punkt model of english cannot be read"):
        read_corpus(tmp_path / "t.txt", preprocessing=Preprocessing(split_sentences="english"))


@pytest.mark.parametrize("escape", ["&#0;", "&#xD800;"])
def test_escapes_that_are_no_character(tmp_path, escape):
    """The tokeniser for tweets undoes escapes of HTML."""
    path = tmp_path / "t.txt"
    path.write_text(f"a b\na &amp; {escape}b\n")
    try:
        lines = lines_of(path, Preprocessing(tokenize="tweet"))
    except CorpusError as error:
        assert "t.txt:2: byte 4: an escape that is no character; remove it" in str(error)
    else:  # a version of NLTK that leaves them as they are
        assert lines[1].startswith("a & ") and lines[1].isprintable()


def test_bad_bytes_are_found_in_raw_text(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"it's\nno\xff go\n")
    for preprocessing in (
        Preprocessing(tokenize="treebank"),
        Preprocessing(tokenize="toktok", lowercase=True),
    ):
        with pytest.raises(CorpusError, match=r"t\.txt:2: byte 7: 0xff is not UTF-8"):
            read_corpus(path, preprocessing=preprocessing)
    mended = read_corpus(path, min_count=1, preprocessing=Preprocessing(errors="ignore", tokenize="treebank"))
    assert mended.mended == 1 and mended.vocabulary.words == ["'s", "go", "it", "no"]


def test_a_line_that_is_too_long_for_nltk(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"a b\n" + b"a b " * (LONGEST_LINE // 4 + 1))
    with pytest.raises(CorpusError, match=r"t\.txt:2: .* a line of more than .* bytes; .*tokenize"):
        read_corpus(path, preprocessing=Preprocessing(tokenize="wordpunct"))
    assert read_corpus(path, min_count=1).tokens > LONGEST_LINE // 2


@pytest.mark.parametrize(
    "options",
    [
        {"tokenize": "moses"},
        {"tokenize": None},
        {"tokenize": True},
        {"tokenize": ["tweet"]},
        {"split_sentences": "klingon"},
        {"split_sentences": "../english"},
        {"split_sentences": True},
        {"lowercase": 1},
        {"errors": "Strict"},
        {"errors": None},
    ],
    ids=str,
)
def test_options_that_are_none_of_the_choices(options):
    with pytest.raises(OptionError, match="expected") as caught:
        Preprocessing(**options)
    assert "\n" not in str(caught.value)
    with pytest.raises(OptionError):
        w2v_hs.train([["a", "b"]], **options)


def test_lists_of_tokens_are_tokens_already():
    for options in ({"tokenize": "tweet"}, {"split_sentences": "english"}):
        with pytest.raises(OptionError, match="the corpus is lists of tokens; leave them out"):
            read_corpus([["a", "b"]], preprocessing=Preprocessing(**options))


def test_lists_in_a_column_are_tokens_already(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"tokens": ["can't", "wait"]}) + "\n")
    preprocessing = Preprocessing(text_column="tokens")
    assert read_corpus(path, min_count=1, preprocessing=preprocessing).tokens == 2
    message = "the column 'tokens' holds a list of tokens; tokenize and split_sentences are for"
    preprocessing = Preprocessing(text_column="tokens", tokenize="treebank")
    with pytest.raises(CorpusError, match=f"t.jsonl:1: byte 0: {message}"):
        read_corpus(path, preprocessing=preprocessing)
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"tokens": [["can't", "wait"]]}), tmp_path / "t.parquet")
    with pytest.raises(CorpusError, match=f"t.parquet: {message}"):
        read_corpus(tmp_path / "t.parquet", preprocessing=preprocessing)


def test_a_model_remembers_how_its_text_was_prepared(tmp_path, run):
    path, file = tmp_path / "t.txt", tmp_path / "m.safetensors"
    path.write_text(RAW * 30)
    few = ("--dim", "4", "--epochs", "1", "--threads", "1")
    done = run("train", path, "-o", file, *few, "--tokenize", "treebank", "--lowercase")
    assert done.returncode == 0, done.stderr
    words = w2v_hs.load(file).vectors.words
    assert "n't" in words and "can't" not in words
    shown = run("info", file).stdout.decode()
    assert all(fact in shown for fact in ("preprocessing tokenize", "treebank", "preprocessing lowercase"))
    for options, known in (((), True), (("--tokenize", "none"), False), (("--no-lowercase",), False)):
        done = run("perplexity", file, path, "--json", *options)
        assert (json.loads(done.stdout)["oov"] == 0) == known, options
    done = run("score", file, path)
    assert done.stdout.decode().splitlines()[0].endswith("asked ms. jones ; nobody knew .")
    done = run("score", file, path, "--no-lowercase", "--tokenize", "none")
    assert done.stdout.decode().splitlines()[0].endswith("asked Ms. Jones; nobody knew.")
    done = run("train", "--resume-from", file, path, "--update-vocab", "--epochs", "1")
    assert done.returncode == 0 and b"\n0 new words" in b"\n" + done.stderr, done.stderr
    facts = w2v_hs.load(file).provenance["updates"][0]["corpus"]["preprocessing"]
    assert (facts["tokenize"], facts["lowercase"]) == ("treebank", True)


def test_a_model_remembers_how_its_text_was_decoded(tmp_path, run, fails):
    latin, text, file = tmp_path / "l.txt", tmp_path / "t.txt", tmp_path / "m.safetensors"
    latin.write_bytes("un café très noir\n".encode("latin-1") * 30)
    text.write_bytes("un café très noir\n".encode() * 30 + b"un caf\xff noir\n")
    options = {"dim": 4, "epochs": 1, "threads": 1, "sample": 0}
    model = w2v_hs.train(latin, encoding="latin-1", **options)
    assert model.perplexity(latin).oov == 0 and model.perplexity(text, encoding="utf-8", errors="ignore").oov
    model.update(latin, epochs=1)
    w2v_hs.train(text, errors="ignore", **options).save(file)
    for command in ("perplexity", "score"):
        done = run(command, file, text)
        assert done.returncode == 0 and b"t.txt: 1 malformed UTF-8 sequence dropped" in done.stderr
        assert "t.txt:31: byte" in fails(command, file, text, "--errors", "strict")


def test_a_model_remembers_in_python(tmp_path, punkt):
    path = tmp_path / "t.txt"
    path.write_text(RAW * 30)
    raw = {"lowercase": True, "tokenize": "words", "split_sentences": "english"}
    model = w2v_hs.train(path, dim=4, epochs=1, threads=1, **raw)
    exact = model.perplexity(path, **raw)
    assert model.perplexity(path) == exact and exact.oov == 0
    assert model.perplexity(path, split_sentences="none").pairs > exact.pairs
    assert model.perplexity(path, tokenize="none").oov and model.perplexity(path, lowercase=False).oov
    lists = [line.split() for line in lines_of(path, Preprocessing(**raw | {"lowercase": False}))]
    assert model.perplexity(lists) == exact  # tokens already, but not in lower case
    raw_score, of_tokens = model.score(["He can't COME.", ["He", "can't", "COME", "."]], oov="error")
    assert raw_score == of_tokens
    with pytest.raises(w2v_hs.W2VError, match=r"'He' is not among"):
        model.score(["He can't COME."], oov="error", lowercase=False)
    words = len(model.vocabulary)
    model.update(path, epochs=1, min_count=1)
    assert len(model.vocabulary) == words
    model.update(path, epochs=1, min_count=1, tokenize="none")
    assert "come," in model.vocabulary.words


# ---- NLTK's corpora -----------------------------------------------------------------------------


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Make a corpus of NLTK with the name `mine`, of a reader and files."""

    def make(reader, files, *arguments, **options):
        folder = tmp_path / "nltk" / "mine"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk")])
        made = reader(str(folder), r".*\.(txt|json)", *arguments, **options)
        monkeypatch.setattr(import_module("nltk.corpus"), "mine", made, raising=False)
        return made

    return make


def read(preprocessing=Preprocessing()):  # noqa: B008
    return b"".join(open_text("nltk:mine", preprocessing)).decode().splitlines()


PLAIN = {"a.txt": "Dr. No came.\nHe can't\nwait.\n\n Next paragraph.", "b.txt": "The end.\n"}


def test_plain_text_of_nltk(corpus, punkt):
    made = corpus(PlaintextCorpusReader, PLAIN)
    assert read() == ["Dr . No came . He can ' t wait . Next paragraph .", "The end ."]
    # NLTK's own words and sentences.
    assert read(Preprocessing(split_sentences="english")) == [" ".join(s) for s in made.sents()]
    assert len(made.sents()) == 4
    # Any tokeniser, a paragraph or a sentence a line.
    assert read(Preprocessing(tokenize="toktok")) == [
        "Dr. No came. He can ' t wait .",
        "Next paragraph .",
        "The end .",
    ]
    assert read(Preprocessing(tokenize="treebank", split_sentences="english")) == [
        "Dr. No came .",
        "He ca n't wait .",
        "Next paragraph .",
        "The end .",
    ]


def test_plain_text_of_nltk_without_punkt(corpus, no_punkt):
    corpus(PlaintextCorpusReader, PLAIN)
    assert len(read()) == 2
    for preprocessing in (
        Preprocessing(split_sentences="english"),
        Preprocessing(tokenize="tweet", split_sentences="english"),
    ):
        with pytest.raises(CorpusError, match=r"python -m nltk\.downloader punkt_tab"):
            read(preprocessing)


def test_corpora_that_mark_their_sentences(corpus, punkt):
    made = corpus(TaggedCorpusReader, {"a.txt": "Dr./N No/N came/V ./.\nHe/P can't/V ./.\n"})
    sentences = [" ".join(s) for s in made.sents()]
    assert sentences == ["Dr. No came .", "He can't ."]
    for preprocessing in (
        Preprocessing(),
        Preprocessing(split_sentences="english"),
        Preprocessing(lowercase=True),
    ):
        assert read(preprocessing) == sentences
    corpus_read = read_corpus(
        "nltk:mine", min_count=1, preprocessing=Preprocessing(split_sentences="english")
    )
    assert corpus_read.tokens == 7 and "can't" in corpus_read.vocabulary.words
    with pytest.raises(CorpusError, match="nltk:mine: marks its words; tokenize is for raw text"):
        read(Preprocessing(tokenize="tweet"))


def test_corpora_of_words_alone(corpus):
    corpus(WordListCorpusReader, {"a.txt": "one\ntwo\n", "b.txt": "three\n"})
    assert read() == ["one two", "three"]
    with pytest.raises(CorpusError, match="marks its words"):
        read(Preprocessing(tokenize="tweet"))


def test_corpora_of_raw_text_alone(corpus, punkt):
    corpus(CorpusReader, PLAIN)
    with pytest.raises(CorpusError, match="nltk:mine: NLTK finds no words in it; give tokenize"):
        read()
    assert read(Preprocessing(tokenize="wordpunct"))[1] == "Next paragraph ."


def test_tweets(corpus, punkt):
    tweets = ["I can't :-) @you", "Call +1 555 123 4567 now. Or never!"]
    lines = "".join(json.dumps({"text": tweet}) + "\n" for tweet in tweets)
    made = corpus(TwitterCorpusReader, {"a.json": lines})
    assert read() == [spaced(tokens) for tokens in made.tokenized()]
    assert read()[0] == "I can't :-) @you"
    assert read(Preprocessing(tokenize="treebank"))[0] == "I ca n't : - ) @ you"
    assert read(Preprocessing(split_sentences="english"))[1:] == ["Call +1 555 123 4567 now .", "Or never !"]


def test_data_of_nltk_that_are_damaged(corpus):
    corpus(TwitterCorpusReader, {"a.json": '{"text": "a"}\n{"text": \n'})
    with pytest.raises(CorpusError, match=r"nltk:mine: a\.json: cannot be read: ") as caught:
        read()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["brown", "movie_reviews", "inaugural", "state_union"])
def test_shared_corpora(monkeypatch, name):
    if not SHARED.exists():
        pytest.skip("needs NLTK's data")
    monkeypatch.setattr(nltk.data, "path", [str(SHARED / "data" / "nltk_data")])
    reader = getattr(nltk.corpus, name)
    words = len(reader.words()) if name != "brown" else 1_161_192
    corpus = read_corpus(f"nltk:{name}", min_count=1)
    assert corpus.tokens == words
    if name == "brown":
        assert len(corpus.sentences) - 1 == 57_340
    elif name == "inaugural":
        raw = read_corpus(f"nltk:{name}", min_count=1, preprocessing=Preprocessing(tokenize="treebank"))
        assert "n't" in raw.vocabulary.words or raw.tokens != words
        assert len(raw.sentences) > len(reader.fileids())
