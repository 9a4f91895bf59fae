"""Every format is read by the library that owns it, and we read what that library writes: the same
words, the same float32. gensim is in test_formats.py."""

import json
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
from conftest import TEXT
from hypothesis import HealthCheck, assume, given, settings
from vector_cases import AWKWARD_VALUES, AWKWARD_WORDS, same, words_and_matrix

import w2v_hs
from w2v_hs.errors import FormatError
from w2v_hs.vectors.formats import load_vectors, save_vectors
from w2v_hs.vectors.vectors import Vectors

WORDS = ["the", "of", "été", "new_york", "語", "x"]
MATRIX = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
EACH_CASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)


# ---- NumPy and safetensors ----------------------------------------------------------------------


@EACH_CASE
@given(case=words_and_matrix())
def test_numpy_reads_npz_without_pickle(tmp_path, case):
    save_vectors(Vectors(*case), tmp_path / "v.npz")
    with np.load(tmp_path / "v.npz", allow_pickle=False) as arrays:
        same(Vectors(arrays["words"].tolist(), arrays["vectors"]), *case)


@EACH_CASE
@given(case=words_and_matrix())
def test_safetensors_reads_its_format_as_documented(tmp_path, case):
    save_vectors(Vectors(*case), tmp_path / "v.safetensors")
    arrays = safetensors.numpy.load_file(tmp_path / "v.safetensors")
    assert sorted(arrays) == ["vectors", "words.bytes", "words.ends"]
    data, ends = arrays["words.bytes"].tobytes(), arrays["words.ends"].tolist()
    words = [data[a:b].decode() for a, b in zip([0, *ends], ends, strict=False)]
    same(Vectors(words, arrays["vectors"]), *case)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_files_of_safetensors_are_read(tmp_path, dtype):
    encoded = [word.encode() for word in WORDS]
    arrays = {
        "vectors": MATRIX.astype(dtype),
        "words.bytes": np.frombuffer(b"".join(encoded), np.uint8),
        "words.ends": np.cumsum([len(word) for word in encoded]),
        "counts": np.arange(6),  # others may stand beside them
    }
    safetensors.numpy.save_file(arrays, tmp_path / "v.safetensors", metadata={"by": "hand"})
    same(load_vectors(tmp_path / "v.safetensors"), WORDS, MATRIX.astype(dtype).astype(np.float32))


# ---- pyarrow ------------------------------------------------------------------------------------


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow")


@EACH_CASE
@given(case=words_and_matrix())
def test_pyarrow_reads_parquet_arrow_and_feather(tmp_path, arrow, case):
    import pyarrow.parquet as pq
    from pyarrow import feather

    for name in ("v.parquet", "v.arrow", "v.feather"):
        save_vectors(Vectors(*case), tmp_path / name)
        read = pq.read_table if name == "v.parquet" else feather.read_table
        table = read(tmp_path / name)
        assert table.column_names == ["word", "vector"]
        assert table.schema.field("vector").type.list_size == case[1].shape[1]
        values = table.column("vector").combine_chunks().flatten().to_numpy()
        same(Vectors(table.column("word").to_pylist(), values.reshape(case[1].shape)), *case)
    assert arrow.ipc.open_file(tmp_path / "v.arrow").read_all().equals(table)


def tables(pa):
    """The same words and vectors in other types."""
    lists = {
        "list of float": pa.list_(pa.float32()),
        "list of double": pa.list_(pa.float64()),
        "large list": pa.large_list(pa.float32()),
        "fixed size": pa.list_(pa.float32(), 4),
        "half": pa.list_(pa.float16()),
    }
    for name, kind in lists.items():
        matrix = MATRIX.astype(np.float16).astype(np.float32) if name == "half" else MATRIX
        rows = list(matrix.astype(np.float16)) if name == "half" else matrix.tolist()
        dictionary = pa.dictionary(pa.int32(), pa.string())
        for text in (pa.string(), pa.large_string(), pa.string_view(), dictionary):
            words = pa.array(WORDS, pa.string()).cast(text)
            yield (matrix, pa.table({"count": range(6), "vector": pa.array(rows, kind), "word": words}))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zstd", "use_dictionary": False},
        {"compression": "gzip", "data_page_version": "2.0"},
        {"compression": "none", "row_group_size": 2, "store_schema": False},
        {"use_dictionary": ["word"], "use_byte_stream_split": ["vector.list.element"]},
        {"column_encoding": {"word": "DELTA_LENGTH_BYTE_ARRAY"}, "use_dictionary": False},
        {"column_encoding": {"word": "DELTA_BYTE_ARRAY"}, "use_dictionary": False},
    ],
    ids=str,
)
def test_parquet_of_other_programs_is_read(tmp_path, arrow, options):
    import pyarrow.parquet as pq

    for matrix, table in tables(arrow):
        if "use_byte_stream_split" in options and "double" in str(table.schema):
            continue
        if "column_encoding" in options and "dictionary" in str(table.schema):
            continue  # pyarrow does not read that itself
        pq.write_table(table, tmp_path / "v.parquet", **options)
        same(load_vectors(tmp_path / "v.parquet"), WORDS, matrix)


@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
@pytest.mark.parametrize("chunksize", [None, 1, 4])
def test_feather_of_other_programs_is_read(tmp_path, arrow, compression, chunksize):
    from pyarrow import feather

    for matrix, table in tables(arrow):
        feather.write_feather(table, tmp_path / "v.feather", compression=compression, chunksize=chunksize)
        same(load_vectors(tmp_path / "v.feather"), WORDS, matrix)


def test_files_of_polars_are_read_and_ours_by_it(tmp_path, arrow):
    """Its Arrow files have another beginning than those of pyarrow, and words as views."""
    pl = pytest.importorskip("polars")
    for suffix in ("parquet", "arrow"):
        ours, theirs = tmp_path / f"v.{suffix}", tmp_path / f"p.{suffix}"
        save_vectors(Vectors(WORDS, MATRIX), ours)
        frame = (pl.read_parquet if suffix == "parquet" else pl.read_ipc)(ours)
        same(Vectors(frame["word"].to_list(), frame["vector"].to_numpy()), WORDS, MATRIX)
        for kind in (pl.Array(pl.Float32, 4), pl.List(pl.Float64)):
            cast = frame.with_columns(pl.col("vector").cast(kind))
            for compression in ("zstd", "lz4", "uncompressed"):
                (cast.write_parquet if suffix == "parquet" else cast.write_ipc)(
                    theirs, compression=compression
                )
                same(load_vectors(theirs), WORDS, MATRIX)


def refused_tables(pa):
    words, rows = pa.array(WORDS), pa.array(MATRIX.tolist())
    ragged = [[1.0, 2.0], [3.0, 4.0], [5.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]
    null = [[1.0, 2.0]] * 4 + [[1.0, None]] + [[1.0, 2.0]]
    return {
        "no vectors": ({"word": words}, "has the columns 'word'; expected 'word' and 'vector'"),
        "other names": ({"w": words, "v": rows}, "has the columns 'w', 'v'; expected"),
        "numbers for words": ({"word": range(6), "vector": rows}, "'word' is int64; expected text"),
        "whole numbers": ({"word": words, "vector": [[1]] * 6}, "'vector' is list<.*int64"),
        "no lists": ({"word": words, "vector": [1.0] * 6}, "'vector' is double; expected lists"),
        "ragged": ({"word": words, "vector": ragged}, "row 3: 1 values; expected as many in every"),
        "a null vector": ({"word": words, "vector": [*null[:4], None, None]}, "row 5: 0 values"),
        "a null value": ({"word": words, "vector": null}, "row 5: 0 values; .*and no nulls"),
        "a null word": (
            {"word": [*WORDS[:5], None], "vector": rows},
            "row 6: the word is null; expected text",
        ),
        "an empty word": ({"word": [*WORDS[:5], ""], "vector": rows}, "row 6: the word ''"),
        "a word twice": (
            {"word": [*WORDS[:5], "of"], "vector": rows},
            "row 6: the word 'of' again, first at .*row 2",
        ),
        "no rows": ({"word": words[:0], "vector": rows[:0]}, "expected 1 or more"),
        "empty lists": ({"word": words, "vector": pa.array([[]] * 6, rows.type)}, "row 1: 0 val"),
    }


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_tables_that_hold_no_vectors(tmp_path, arrow, suffix):
    import pyarrow.parquet as pq
    from pyarrow import feather

    path = tmp_path / f"v{suffix}"
    write = pq.write_table if suffix == ".parquet" else feather.write_feather
    for name, (columns, message) in refused_tables(arrow).items():
        write(arrow.table(columns), path)
        with pytest.raises(FormatError, match=message) as caught:
            load_vectors(path)
        assert "\n" not in str(caught.value) and "v." in str(caught.value), name


def test_other_encodings_of_arrow_are_named(tmp_path, arrow):
    table = arrow.table({"word": WORDS, "vector": MATRIX.tolist()})
    with arrow.ipc.new_stream(tmp_path / "v.arrow", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(FormatError, match=r"v\.arrow: does not begin as Arrow's file format does"):
        load_vectors(tmp_path / "v.arrow")


def test_without_pyarrow_the_error_says_what_to_install(tmp_path, monkeypatch):
    save_vectors(Vectors(WORDS, MATRIX), tmp_path / "v.npz")
    (tmp_path / "v.parquet").write_bytes(b"PAR1")
    for module in ("pyarrow", "pyarrow.ipc", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    for name in ("v.parquet", "v.arrow"):
        with pytest.raises(FormatError, match=r"needs the package pyarrow: pip install 'w2v-hs\["):
            save_vectors(Vectors(WORDS, MATRIX), tmp_path / name)
    with pytest.raises(FormatError, match=r"needs the package pyarrow"):
        load_vectors(tmp_path / "v.parquet")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["v.npz", "v.parquet"]


# ---- TensorBoard --------------------------------------------------------------------------------


def test_tensorboard_serves_the_folder(tmp_path):
    """The projector of TensorBoard, as its page asks it."""
    pytest.importorskip("tensorboard")
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.projector import projector_plugin
    from werkzeug.test import Client

    save_vectors(Vectors(AWKWARD_WORDS, AWKWARD_VALUES), tmp_path / "log", format="projector")
    context = base_plugin.TBContext(logdir=str(tmp_path / "log"))
    apps = projector_plugin.ProjectorPlugin(context).get_plugin_apps()

    def get(route, query):
        answer = Client(apps[route]).get(f"{route}?{query}")
        assert answer.status_code == 200, answer.get_data()
        return answer.get_data()

    (embedding,) = json.loads(get("/info", "run=."))["embeddings"]
    assert embedding["tensorShape"] == [4, 4]
    values = np.frombuffer(get("/tensor", "run=.&name=vectors"), np.float32)
    words = get("/metadata", "run=.&name=vectors&num_rows=10").decode().rstrip("\n").split("\n")
    same(Vectors(words, values.reshape(4, 4)), AWKWARD_WORDS, AWKWARD_VALUES)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ("a b\nc\n", ["a b", "c"]),
        ("a\r\nc\r\n", ["a", "c"]),
        ("\ufeffa\nc\n", ["a", "c"]),
        ("Label\tCount\na\t1\nc\t2\n", ["a", "c"]),
        ("count\tword\n1\ta\n2\tc\n", ["a", "c"]),
        ("first\tsecond\na\t1\nc\t2\n", ["a", "c"]),
    ],
)
def test_tsv_of_other_programs_is_read(tmp_path, metadata, words):
    (tmp_path / "vectors.tsv").write_text("1\t2.5\n-3e-1\t4\n")
    (tmp_path / "metadata.tsv").write_text(metadata)
    same(load_vectors(tmp_path), words, np.float32([[1, 2.5], [-0.3, 4]]))


PROJECTOR_FAULTS = {
    "short row": ("1\t2\n3\n", "a\nb\n", r"vectors.tsv:2: expected 2 numbers with tabs"),
    "no number": ("1\tx\n3\t4\n", "a\nb\n", r"vectors.tsv:1: expected numbers with tabs"),
    "a row more": ("1\t2\n3\t4\n5\t6\n", "a\nb\n", r"vectors.tsv:3: .*metadata.tsv has words for 2"),
    "a row less": ("1\t2\n", "a\nb\n", r"vectors.tsv: 1 rows, .*metadata.tsv has 2 words"),
    "cut": ("1\t2\n3\t4", "a\nb\n", r"vectors.tsv:2: the file ends in the middle"),
    "words cut": ("1\t2\n3\t4\n", "a\nb", r"metadata.tsv:2: the file ends without a newline"),
    "blank word": ("1\t2\n3\t4\n", "a\n \n", r"metadata.tsv:2: the word ' ' is blank"),
    "not UTF-8": ("1\t2\n3\t4\n", "a\nb\udcff\n", r"metadata.tsv:2: byte 2 of the word, 0xff, is not UTF-8"),
    "columns": ("1\t2\n3\t4\n", "w\tc\na\t1\nb\n", r"metadata.tsv:3: 1 columns, the header has 2"),
    "nothing": ("", "", r"vectors.tsv: 0 rows, .*metadata.tsv has 0 words"),
    "NaN": ("1\t2\n3\tnan\n", "a\nb\n", r"vectors.tsv:2: the vector of 'b' holds NaN or Inf"),
    "a word twice": ("1\t2\n3\t4\n", "a\na\n", r"vectors.tsv:2: the word 'a' again, first at"),
}


@pytest.mark.parametrize("fault", PROJECTOR_FAULTS)
def test_damaged_tsv(tmp_path, fault):
    vectors, metadata, message = PROJECTOR_FAULTS[fault]
    (tmp_path / "vectors.tsv").write_text(vectors)
    (tmp_path / "metadata.tsv").write_bytes(metadata.encode(errors="surrogateescape"))
    with pytest.raises(FormatError, match=message) as caught:
        load_vectors(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_the_projector_cannot_hold(tmp_path):
    for words, matrix, message in (
        (["a", "b\tc"], np.ones((2, 2)), "holds a tab"),
        (["a", "b\n"], np.ones((2, 2)), "holds a tab or a line end"),
        (["a", "\u3000"], np.ones((2, 2)), "nothing but white space"),
        (["\ufeffa", "b"], np.ones((2, 2)), "a byte order mark"),
        (["a", "b"], np.ones((2, 1)), "vectors of 1 value"),
    ):
        with pytest.raises(FormatError, match=message):
            save_vectors(Vectors(words, matrix), tmp_path / "v", format="projector")
    assert not list(tmp_path.iterdir())


# ---- sentence-transformers ----------------------------------------------------------------------


@EACH_CASE
@given(case=words_and_matrix())
def test_tokenizers_finds_every_word_and_tells_those_it_lacks(tmp_path, case):
    tokenizers = pytest.importorskip("tokenizers")
    import shutil

    shutil.rmtree(tmp_path / "m", ignore_errors=True)
    save_vectors(Vectors(*case), tmp_path / "m", format="sentence-transformers")
    tokenizer = tokenizers.Tokenizer.from_file(str(tmp_path / "m" / "tokenizer.json"))
    words = case[0]
    assume(not any("\x1c" <= c <= "\x1f" for word in words for c in word))
    found = tokenizer.encode(" ".join(words) + " no-such-word\n", add_special_tokens=False)
    assert found.ids == [*range(len(words)), len(words)]
    assert tokenizer.get_vocab_size() == len(words) + 1


def test_sentence_transformers_encodes_means_of_the_vectors(tmp_path, model):
    library = pytest.importorskip("sentence_transformers")
    model.export(tmp_path / "m", "sentence-transformers")
    theirs = library.SentenceTransformer(str(tmp_path / "m"), device="cpu")
    vectors = model.vectors
    np.testing.assert_array_equal(theirs.encode(vectors.words), vectors.matrix)
    both = theirs.encode(["Paris  FRANCE", "paris no-such-word", "no-such-word", ""])
    mean = (vectors["paris"] + vectors["france"]) / 2
    np.testing.assert_allclose(both[0], mean, atol=1e-7)
    np.testing.assert_allclose(both[1], vectors["paris"] / 2, atol=1e-7)
    np.testing.assert_array_equal(both[2:], 0)
    # and back again, as it writes it
    theirs.save_pretrained(str(tmp_path / "again"))
    same(load_vectors(tmp_path / "again"), vectors.words, vectors.matrix)


def test_a_static_embedding_of_sentence_transformers_is_read(tmp_path):
    library = pytest.importorskip("sentence_transformers")
    from sentence_transformers.models import Normalize, StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {"[UNK]": 0} | {word: row for row, word in enumerate(WORDS, 1)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    rows = np.concatenate([np.zeros((1, 4), np.float32), MATRIX])
    static = StaticEmbedding(tokenizer, embedding_weights=rows)
    for number, modules in enumerate(([static], [static, Normalize()])):
        path = tmp_path / str(number)
        library.SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(path))
        same(load_vectors(path), WORDS, MATRIX)


def test_half_precision_in_sentence_transformers(tmp_path, model):
    library = pytest.importorskip("sentence_transformers")
    model.export(tmp_path / "m", "sentence-transformers", float16=True)
    theirs = library.SentenceTransformer(str(tmp_path / "m"), device="cpu")
    found = theirs.encode(model.vectors.words)
    np.testing.assert_array_equal(found, model.vectors.matrix.astype(np.float16))


STATIC_FAULTS = {
    "modules.json": {
        "{}": "modules.json: is not a list of modules",
        "[": "modules.json: is not JSON",
        "[]": "modules.json: is not a list of modules",
        '[{"type": "a.Transformer", "path": ""}]': "has the modules Transformer; expected Static",
        '[{"type": "a.StaticEmbedding", "path": "../m"}]': "'../m' leads out of the folder",
        '[{"type": "a.StaticEmbedding", "path": "/etc"}]': "'/etc' leads out of the folder",
        '[{"type": "a.StaticEmbedding", "path": "x"}]': "x/tokenizer.json: cannot be read: No such",
    },
    "tokenizer.json": {
        "[]": "tokenizer.json: has no vocabulary",
        '{"model": {"vocab": {"a": 0, "b": 1.0}}}': "tokenizer.json: has no vocabulary",
        '{"model": {"vocab": {"a": 0, "b": 3}}}': "numbers 2 tokens, the matrix has 7 rows",
        '{"model": {"vocab": {"a": 0, "a": 1}}}': "numbers 1 tokens, the matrix has 7 rows",
        "[" * 100_000: "tokenizer.json: is not JSON",
    },
}


@pytest.mark.parametrize("name", STATIC_FAULTS)
def test_damaged_models_of_sentence_transformers(tmp_path, name):
    save_vectors(Vectors(WORDS, MATRIX), tmp_path / "m", format="sentence-transformers")
    for content, message in STATIC_FAULTS[name].items():
        (tmp_path / "m" / name).write_text(content)
        with pytest.raises(FormatError, match=message) as caught:
            load_vectors(tmp_path / "m")
        assert "\n" not in str(caught.value)


# ---- spaCy --------------------------------------------------------------------------------------


def test_spacy_makes_a_pipeline_of_exported_vectors(tmp_path, model, run):
    """The walk of the documentation: train, export, `spacy init vectors`, load."""
    pytest.importorskip("spacy")
    model.save(tmp_path / "m.safetensors")
    assert run("export", tmp_path / "m.safetensors", tmp_path / "v.txt").returncode == 0
    command = [sys.executable, "-m", "spacy", "init", "vectors", "en", "v.txt", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    import spacy

    nlp = spacy.load(tmp_path / "out")
    rows = np.stack([nlp.vocab.get_vector(word) for word in model.vectors.words])
    np.testing.assert_array_equal(rows, model.vectors.matrix)
    assert nlp.vocab.vectors.shape == model.vectors.matrix.shape
    similarity = nlp("paris").similarity(nlp("berlin"))
    assert similarity == pytest.approx(model.vectors.similarity("paris", "berlin"), abs=1e-5)


# ---- fastText -----------------------------------------------------------------------------------


def test_fasttext_takes_a_vec_file_as_its_pretrained_vectors(tmp_path):
    fasttext = pytest.importorskip("fasttext")
    words = ["king", "queen", "été"]
    save_vectors(Vectors(words, MATRIX[:3]), tmp_path / "v.vec")
    (tmp_path / "train.txt").write_text("".join(f"__label__{w} {w}\n" for w in words) * 5)
    options = {"dim": 4, "epoch": 1, "lr": 0.0, "thread": 1, "verbose": 0}
    trained = fasttext.train_supervised(
        str(tmp_path / "train.txt"), pretrainedVectors=str(tmp_path / "v.vec"), **options
    )
    rows = [trained.get_input_vector(trained.get_word_id(word)) for word in words]
    np.testing.assert_array_equal(np.float32(rows), MATRIX[:3])


def test_a_vec_file_as_fasttext_prints_it_is_read(tmp_path):
    (tmp_path / "v.vec").write_text("2 3\n</s> 0.1 -0.25 3 \nof 1e-05 0 -1 \n")
    same(load_vectors(tmp_path / "v.vec"), ["</s>", "of"], np.float32([[0.1, -0.25, 3], [1e-05, 0, -1]]))


def test_fasttext_and_we_read_each_others_subwords(tmp_path):
    """Words in the vocabulary and others, to the bit."""
    fasttext = pytest.importorskip("fasttext")
    text = tmp_path / "text.txt"
    text.write_text(TEXT * 50 + "der könig und die königin <a> ab\n" * 50, encoding="utf-8")
    unknown = ["kingly", "berlins", "königlich", "</s>x"]
    theirs = fasttext.train_unsupervised(
        str(text), model="skipgram", dim=12, minn=2, maxn=5, bucket=700, minCount=1, epoch=1, thread=1
    )
    theirs.save_model(str(tmp_path / "theirs.bin"))
    vectors = load_vectors(tmp_path / "theirs.bin")
    assert vectors.words == theirs.get_words(on_unicode_error="strict")
    for word in [*vectors.words, *unknown]:
        np.testing.assert_array_equal(vectors[word], theirs.get_word_vector(word))
    options = {"dim": 20, "epochs": 1, "threads": 1, "sample": 0}
    ours = w2v_hs.train(text, subwords=(2, 4), buckets=900, min_count=1, **options).vectors
    save_vectors(ours, tmp_path / "ours.bin", format="fasttext")
    read = fasttext.load_model(str(tmp_path / "ours.bin"))
    assert read.get_words() == ours.words
    for word in [*ours.words, *unknown]:
        np.testing.assert_array_equal(read.get_word_vector(word), ours[word])
