"""Damaged files of every kind, for as long as you like: each must be read or refused.

    python benchmarks/fuzz.py --seconds 300
    python benchmarks/fuzz.py --only npz --seed 1234 --count 1

Valid files are changed at random: bits flipped, bytes inserted, left out, repeated, replaced. In
"contents" the arrays and the description of a model or a checkpoint are changed and written anew,
with a checksum that is right. Each reader may accept what is valid and must refuse all else with an
error of the package, in one line, within ten seconds and a gigabyte. Whatever else happens is
listed with the seed that repeats it, and the exit code is 1.
"""

import argparse
import bz2
import collections
import contextlib
import faulthandler
import gzip
import importlib.util
import io
import json
import lzma
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import w2v_hs
from w2v_hs.errors import W2VError
from w2v_hs.files import container as storage
from w2v_hs.model.scoring import Perplexity
from w2v_hs.options import Preprocessing
from w2v_hs.text import blocks as text
from w2v_hs.text import catalog, named_corpora, sources
from w2v_hs.text.vocabulary import Vocabulary, load_vocabulary
from w2v_hs.training.observers import checkpoint
from w2v_hs.training.threads import Position
from w2v_hs.training.update import update_options
from w2v_hs.tree import user_trees as codes
from w2v_hs.vectors.formats import FILE_FORMATS, load_vectors, save_vectors
from w2v_hs.vectors.vectors import Vectors

BATCH = 200
SECONDS, BYTES = 10, 1 << 30  # that one file may take
WORDS = ["the", "of", "été", "new_york", "語", "x"]
TOKENS = [
    b"\0",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"nan",
    b"-inf",
    b"1e999",
    b"0",
    b"-1",
    b"9" * 40,
    b"1_0",
    b"18446744073709551616",
    b"\xff" * 8,
    b"[[[[",
    b"'''",
    b"#",
    b":",
    "\u2028".encode(),
    "\u0661".encode(),
    b"0x" + b"f" * 4000,
    b"{" * 50,
    b"<a>",
    b"&lt;",
    b"]]>",
]
ROWS = '{"a": "of the", "b": [1, {"a": null}]}\n\n{"a": ["x", "\\u00e9t\\u00e9"]}\n'
VALUES = [
    None,
    True,
    -1,
    0,
    2**63,
    10**400,
    1e300,
    float("nan"),
    "",
    "x\ny",
    "\ud800",
    [],
    {},
    [[]],
    {"a": 1},
    ["a"],
    "1",
]
FOLDERS = {
    "projector": ("vectors.tsv", "metadata.tsv"),
    "sentence-transformers": ("modules.json", "tokenizer.json", "model.safetensors"),
}
PAGE = "<page><title>{}</title><ns>0</ns><id>1</id><revision><text>{}</text></revision></page>"
WIKI = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.3/"><siteinfo/>'
    + PAGE.format("Cat", "A '''cat''' is an [[animal|animal]].&lt;ref&gt;x&lt;/ref&gt; {{y}}")
    + PAGE.format("Image:Z", "Not an article.")
    + "</mediawiki>"
)


class Stuck(BaseException):
    """A reader took too long. No subclass of Exception, which readers may catch."""


@dataclass(frozen=True)
class Reader:
    """suffix and samples of its files. read(path): reads one, and raises something else than a
    `W2VError` where the result is not valid. contents: what wrote the samples can be changed."""

    suffix: str
    samples: list[bytes]
    read: Callable[[Path], object]
    contents: bool = False

    def damaged(self, generator: random.Random, path: Path) -> None:
        """Write a damaged file to `path`."""
        sample = generator.choice(self.samples)
        if self.contents:
            path.write_bytes(sample)
            damage_contents(path, generator)
        else:
            path.write_bytes(damage(sample, self.samples, generator))


def damage(sample: bytes, samples: list[bytes], generator: random.Random) -> bytes:
    """The sample, changed in one to four places."""
    data = bytearray(sample)
    for _ in range(generator.choice((1, 1, 1, 2, 4))):
        begin = generator.randint(0, len(data))
        end = min(len(data), begin + generator.choice((1, 1, 2, 4, 8, 16, 64, 1 << 20)))
        way = generator.randrange(7)
        if way == 0 and begin < len(data):
            data[begin] ^= 1 << generator.randrange(8)
        elif way == 1:
            data[begin:begin] = generator.choice(TOKENS)
        elif way == 2:
            data[begin : begin + 1] = generator.randbytes(generator.choice((1, 2, 8)))
        elif way == 3:
            del data[begin:end]
        elif way == 4:
            data[begin:begin] = data[begin:end] * generator.choice((1, 1, 3))
        elif way == 5:
            data[begin:end] = generator.choice(TOKENS)
        else:
            other = generator.choice(samples)
            data[begin:end] = other[generator.randint(0, len(other)) :][: end - begin]
    return bytes(data)


def damage_contents(path: Path, generator: random.Random) -> None:
    """Change one or two of the arrays and values of a file that `storage` wrote."""
    arrays, description = storage.load_arrays(path)
    for _ in range(generator.choice((1, 1, 2))):
        if generator.random() < 0.5 and arrays:
            change_array(arrays, generator)
        else:
            change_value(description, generator)
    with contextlib.suppress(ValueError):  # JSON cannot hold a description that holds itself
        storage.save_arrays(path, arrays, description)


def change_array(arrays: dict[str, np.ndarray], generator: random.Random) -> None:
    name = generator.choice(sorted(arrays))
    array = arrays[name]
    way = generator.randrange(5)
    if way == 0:
        del arrays[name]
    elif way == 1:
        shape = generator.choice(((), (0,), (1,), (3,), (0, 2), (2, 2), array.shape))
        dtype = generator.choice(("f4", "f8", "i4", "i8", "u1"))
        arrays[name] = np.full(shape, generator.choice((0, 1, 5, 200)), dtype)
    elif way == 2 and array.size:
        values = array.copy()
        value = generator.choice((0, 1, 2, 7, 100, np.inf, np.nan, -1, 2**31, 2**62))
        with contextlib.suppress(ValueError, OverflowError):  # not every type holds it
            values.flat[generator.randrange(array.size)] = value
        arrays[name] = values
    elif way == 3 and array.ndim:
        arrays[name] = array[: generator.randint(0, len(array))]
    else:
        arrays[name] = np.concatenate([np.atleast_1d(array)] * 2)


def change_value(node, generator: random.Random) -> None:
    """Replace, remove or add something at a random place of parsed JSON."""
    while isinstance(node, (dict, list)) and node:
        key = generator.choice(sorted(node)) if isinstance(node, dict) else len(node) - 1
        if isinstance(node[key], (dict, list)) and node[key] and generator.random() < 0.7:
            node = node[key]
            continue
        if generator.random() < 0.2:
            del node[key]
        elif generator.random() < 0.1 and isinstance(node, dict):
            node["new\nkey"] = generator.choice(VALUES)
        else:
            node[key] = generator.choice(VALUES)
        return


# ---- what is valid ------------------------------------------------------------------------------


def valid(condition, what: str) -> None:
    if not condition:
        raise AssertionError(f"accepted, but {what}")


def read_model(path: Path) -> None:
    check_model(w2v_hs.load(path))


def check_model(model) -> None:
    check_vectors(model.vectors)
    valid(np.isfinite(model.outputs).all(), "outputs are not finite")
    json.dumps(model.summary())
    model.distribution(model.vectors.words[0])


def check_vectors(vectors: Vectors) -> None:
    words, matrix = vectors.words, vectors.matrix
    valid(len(set(words)) == len(words) == len(matrix) > 0, "its words are not unique")
    valid(all(vectors.names), "a word is empty")
    valid(matrix.dtype == np.float32 and matrix.ndim == 2, f"its matrix is {matrix.dtype}")
    valid(np.isfinite(matrix).all(), "its matrix is not finite")


def read_checkpoint(path: Path) -> None:
    saved = checkpoint.load_checkpoint(path)
    check_model(saved.model)
    place, keeping = saved.position, saved.settings
    valid(isinstance(place.chunk_tokens, int) and place.chunk_tokens > 0, "chunks hold nothing")
    valid(np.isfinite(place.seconds) and place.seconds >= 0, "it took no time")
    valid(place.loss.dtype == np.float64 and place.loss.ndim == 1, "losses are no losses")
    valid(np.isfinite(place.loss).all(), "losses are not finite")
    valid(place.predictions.dtype == np.int64, "predictions are not whole numbers")
    valid(place.predictions.shape == place.loss.shape, "it has more losses than chunks")
    valid(np.all(place.predictions >= 0), "a chunk has fewer predictions than none")
    valid(keeping.preprocessing.errors in ("strict", "replace", "ignore"), "errors has no such value")
    valid(isinstance(keeping.preprocessing.lowercase, bool), "lowercase is neither true nor false")
    for texts in (keeping.texts, [keeping.save_vocab]):
        names = isinstance(texts, list) and all(isinstance(t, (str, type(None))) for t in texts)
        valid(texts is None or names, "a text has no name")
    for result in saved.results:
        valid(all(isinstance(v, (int, float)) for v in vars(result).values()), "no result")
    model = saved.model
    if saved.update is not None:
        start = saved.update
        valid(start.inputs.shape == model.parameters.inputs.shape, "it began with another shape")
        valid(start.outputs.shape == model.outputs.shape, "it began with other nodes")
        valid(np.isfinite(start.inputs).all(), "what it began with is not finite")
        valid(np.all(start.added <= model.vocabulary.counts), "more is new than there is")
        valid(start.options.dim == model.options.dim, "its run has another length of vectors")
    if saved.best is not None:
        vectors, outputs, tree = saved.best
        same = vectors.shape == model.parameters.inputs.shape and outputs.shape == model.outputs.shape
        valid(same and np.isfinite(vectors).all(), "the best weights are not those of the model")
        valid((tree is None) == (model.tree is None), "the best tree is not there")
        if tree is not None:
            check_tree(tree, len(model.vocabulary))


def check_tree(tree, words: int) -> None:
    """Compiled code relies on the bounds of a tree."""
    offsets, nodes, bits = tree.offsets, tree.nodes, tree.bits
    types = offsets.dtype == np.int64 and nodes.dtype == np.int32 and bits.dtype == np.uint8
    valid(types and offsets.shape == (words + 1,), "its tree is one of other words")
    valid(offsets[0] == 0 and np.all(np.diff(offsets) > 0), "its tree has a path without end")
    valid(nodes.shape == bits.shape == (offsets[-1],), "its tree has paths of other lengths")
    valid(nodes.min() >= 0 and nodes.max() < words - 1 and bits.max() <= 1, "its tree has no node")
    with contextlib.suppress(W2VError):  # told by whoever walks down
        tree.children()


def read_vectors(format: str) -> Callable[[Path], None]:
    return lambda path: check_vectors(load_vectors(path, format=format))


def read_member(format: str, folder: Path, member: str) -> Callable[[Path], None]:
    """Read a folder of vectors, one file of which is the damaged one."""

    def read(path: Path) -> None:
        shutil.copy(path, folder / member)
        check_vectors(load_vectors(folder, format=format))

    return read


def read_vocabulary(path: Path) -> None:
    vocabulary = load_vocabulary(path)
    valid(len(set(vocabulary.words)) == len(vocabulary) >= 2, "its words are not unique")
    valid(vocabulary.counts.min() >= 1 and vocabulary.tokens > 0, "a count is below 1")
    valid(np.all(np.diff(vocabulary.counts) <= 0), "counts do not fall")


def read_tree(path: Path) -> None:
    counts = np.arange(len(WORDS), 0, -1)
    codes.tree_from_codes(codes.read_codes(path), Vocabulary(WORDS, counts)).children()


def read_tests(kind: str) -> Callable[[Path], None]:
    vectors = Vectors(WORDS, np.eye(len(WORDS), 3, dtype=np.float32))
    none = {"analogies": (), "similarity": ()}
    return lambda path: w2v_hs.evaluate(vectors, **(none | {kind: path})).to_json()


def read_archive(path: Path) -> None:
    """As `catalog.find` and `named_corpora.open_text` read one whose checksum is right."""
    fields = {"licence": "", "member": "wiki", "member_size": len(WIKI), "skip": ("Image:",)}
    for kind, recipe in (("zip-member", named_corpora._zip_member), ("mediawiki", named_corpora._mediawiki)):
        corpus = catalog.Entry("fox", "a fox", kind, **fields)
        fault = catalog._archive_fault(corpus, path)
        if fault:
            raise w2v_hs.errors.DownloadError(fault)
        size = sum(map(len, recipe(corpus, path)))
        valid(size <= 4 * len(WIKI), f"{size} bytes came out of it")


def read_wiki(path: Path) -> None:
    data = path.read_bytes()
    archive = path.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("wiki", data)
    for cut_off in (False, True):
        corpus = catalog.Entry("w", "w", "mediawiki", licence="", member="wiki", cut_off=cut_off)
        for _ in named_corpora._mediawiki(corpus, archive):
            pass


def read_json(path: Path) -> None:
    fields = {"licence": "", "files": path.name, "requirement": "", "module": ""}
    corpus = catalog.Entry("fox", "a fox", "package-json", **fields)
    for block in named_corpora._package_json(corpus, path.parent):
        block.decode()


def read_text(path: Path) -> None:
    column = "a" if path.suffix in (".jsonl", ".parquet") else None
    for preprocessing in (
        Preprocessing(text_column=column),
        Preprocessing(lowercase=True, errors="replace", text_column=column),
    ):
        (source,) = sources.find_sources(path, column)
        for line in text.read_lines(source, preprocessing):
            valid("\n" not in line, "a line holds a newline")


def table_of(vectors: Vectors):
    """A table as other programs write it: lists of any length."""
    import pyarrow as pa

    return pa.table({"word": vectors.words, "vector": vectors.matrix.tolist()})


def save_parquet(vectors: Vectors, path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table_of(vectors), path, compression="zstd", data_page_version="2.0")


def save_feather(vectors: Vectors, path: Path) -> None:
    from pyarrow import feather

    feather.write_feather(table_of(vectors), path, compression="lz4")


# ---- readers and their samples ------------------------------------------------------------------


def readers(folder: Path) -> dict[str, Reader]:
    """All readers, with samples that are written below `folder`."""

    def written(name: str, write: Callable[[Path], object]) -> bytes:
        write(folder / name)
        return (folder / name).read_bytes()

    vectors = Vectors(WORDS, np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32))
    vocabulary = Vocabulary(WORDS, np.arange(60, 0, -10))
    sentences = [[word] * 2 + WORDS for word in WORDS] * 3
    options = {"dim": 2, "epochs": 1, "threads": 1, "sample": 0, "min_count": 1}
    models = [w2v_hs.train(sentences, loss=loss, **options) for loss in ("hs", "softmax")]
    figures = Perplexity(1.5, 4.5, 10, 20, 0, 1.6, 1.6, 1.7)
    holdout = SimpleNamespace(
        best=(models[0].vectors.matrix, models[0].outputs, models[0].tree), results=[figures]
    )
    place = Position(1000, np.array([3.5, 2.5]), np.array([7, 9]), 0.5)

    def save_checkpoint(path: Path, model, holdout, update=None) -> None:
        settings = checkpoint.CheckpointSettings(path, texts=["a.txt"])
        checkpoint.save_checkpoint(settings, model, place, holdout, update)

    for model in models:  # without times, so that a seed gives the same file again
        model.provenance = {"corpus": model.provenance["corpus"]}
    saved = [written("m.safetensors", model.save) for model in models]
    kept = [
        written("c.safetensors", lambda path, m=model, h=held: save_checkpoint(path, m, h))
        for model, held in zip(models, (holdout, None), strict=True)
    ]
    start = checkpoint.UpdateStart(
        update_options(models[0].options, threads=1),
        models[0].vectors.matrix,
        models[0].outputs,
        models[0].vocabulary.counts // 2,
        "0" * 64,
    )
    kept.append(written("u.safetensors", lambda path: save_checkpoint(path, models[0], None, start)))
    lines = "\n".join(" ".join(sentence) for sentence in sentences).encode()

    found = {
        "models": Reader(".safetensors", saved, read_model),
        "models, contents": Reader(".safetensors", saved, read_model, contents=True),
        "checkpoints": Reader(".safetensors", kept, read_checkpoint),
        "checkpoints, contents": Reader(".safetensors", kept, read_checkpoint, contents=True),
    }
    for format in FILE_FORMATS:
        sample = written(format, lambda path, f=format: save_vectors(vectors, path, format=f))
        samples = [sample]
        if format == "parquet":
            samples.append(written("z.parquet", lambda path: save_parquet(vectors, path)))
        if format == "arrow":
            samples.append(written("z.feather", lambda path: save_feather(vectors, path)))
        if format == "npz":
            arrays = {"words": np.array(WORDS), "vectors": vectors.matrix}
            samples.append(written("z.npz", lambda path: np.savez_compressed(path, **arrays)))  # noqa: B023
        found[format] = Reader(".vectors", samples, read_vectors(format))
    found["safetensors, contents"] = Reader(
        ".safetensors", found["safetensors"].samples, read_vectors("safetensors"), contents=True
    )
    for format, members in FOLDERS.items():
        for member in members:
            place = folder / f"{format} {member}"
            save_vectors(vectors, place, format=format)
            samples = [(place / member).read_bytes()]
            found[f"{format} {member}"] = Reader(".part", samples, read_member(format, place, member))
    questions = b": capitals\n" + " ".join(WORDS[:4]).encode() + b"\n: b\nx of the x\n"
    pairs = "# a b\nthe\tof\t7.5\nnew_york,x,1e-1\nété 語 3\n".encode()
    tree = "the 0\nof 100\nété 101\nnew_york 110\n語 1110\nx 1111\n".encode()
    archives = []
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", compression) as archive:
            archive.writestr(zipfile.ZipInfo("wiki"), WIKI, compression)
            archive.writestr(zipfile.ZipInfo("été/b"), b"other")
        archives.append(stream.getvalue())
    prose = {"a": ["One sentence.\nAnother one.", {"extract": "São Tomé &amp; more"}, 3, None]}
    found |= {
        "vocabularies": Reader(".txt", [written("v.txt", vocabulary.save)], read_vocabulary),
        "tree files": Reader(".txt", [tree], read_tree),
        "questions": Reader(".txt", [questions], read_tests("analogies")),
        "similarity": Reader(".txt", [pairs], read_tests("similarity")),
        "archives": Reader(".zip", archives, read_archive),
        "MediaWiki": Reader(".xml", [WIKI.encode()], read_wiki),
        "JSON of packages": Reader(".json", [json.dumps(prose).encode()], read_json),
        "text": Reader(".txt", [lines[:500]], read_text),
        "text.jsonl": Reader(".jsonl", [ROWS.encode()], read_text),
    }
    if importlib.util.find_spec("pyarrow"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = [pa.table({"a": ["été x", "of"], "b": [1, 2]}), pa.table({"a": [["of", "x"], []]})]
        samples = [written("t.parquet", lambda path, t=table: pq.write_table(t, path)) for table in tables]
        found["text.parquet"] = Reader(".parquet", samples, read_text)
    packed = {".gz": lambda data: gzip.compress(data, mtime=0), ".bz2": bz2.compress, ".xz": lzma.compress}
    if importlib.util.find_spec("zstandard"):
        import zstandard

        packed[".zst"] = zstandard.ZstdCompressor(write_checksum=True).compress
    for suffix, compress in packed.items():
        samples = [compress(lines), compress(lines[:99]) + compress(lines[99:])]
        found[f"text{suffix}"] = Reader(suffix, samples, read_text)
    return found


# ---- running ------------------------------------------------------------------------------------


def attempt(reader: Reader, name: str, seed: int, path: Path) -> BaseException | None:
    """Read the file of a seed: None, the error of the package, or what should not have happened."""
    reader.damaged(random.Random(f"{name} {seed}"), path)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with np.errstate(all="ignore"):
            reader.read(path)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def is_refusal(error: BaseException) -> bool:
    return isinstance(error, W2VError) and "\n" not in str(error)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", nargs="+", metavar="READER", help="only these, as in the table")
    parser.add_argument("--seed", type=int, default=1, help="the first one; they count up")
    parser.add_argument("--count", type=int, help="files for each reader, instead of --seconds")
    o = parser.parse_args()

    def stop(number, frame):
        raise Stuck(f"not read in {SECONDS} s")

    signal.signal(signal.SIGALRM, stop)
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as folder:
        all_readers = readers(Path(folder))
        for name in o.only or ():
            if name not in all_readers:
                parser.error(f"no reader {name!r}; there is {', '.join(all_readers)}")
        chosen = {name: all_readers[name] for name in o.only or all_readers}
        for name, reader in chosen.items():  # compiles, imports, and takes its memory, once
            attempt(reader, name, 0, Path(folder) / f"first{reader.suffix}")
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        counts = {name: collections.Counter() for name in chosen}
        failures: dict[tuple[str, str], tuple[int, BaseException]] = {}
        ends, seed = time.monotonic() + o.seconds, o.seed
        while seed < o.seed + o.count if o.count else time.monotonic() < ends:
            batch = min(BATCH, o.seed + o.count - seed) if o.count else BATCH
            for name, reader in chosen.items():
                for number in range(seed, seed + batch):
                    path = Path(folder) / f"damaged{reader.suffix}"
                    error = attempt(reader, name, number, path)
                    if error is None:
                        counts[name]["accepted"] += 1
                    elif is_refusal(error):
                        counts[name]["refused"] += 1
                    else:
                        counts[name]["other"] += 1
                        place = traceback.extract_tb(error.__traceback__)[-1]
                        what = error if isinstance(error, AssertionError) else type(error).__name__
                        kind = f"{what} {place.filename}:{place.lineno}"
                        failures.setdefault((name, kind), (number, error))
            seed += batch
    table = Table("reader", "tried", "accepted", "refused", "other")
    for name, found in [*counts.items(), ("all", sum(counts.values(), collections.Counter()))]:
        figures = (found.total(), found["accepted"], found["refused"], found["other"])
        table.add_row(name, *(f"{figure:,}" for figure in figures))
    console = Console(width=110)
    console.print(table)
    for (name, _), (number, error) in failures.items():
        said = escape(f"{type(error).__name__}: {error}"[:300])
        console.print(f"--only '{name}' --seed {number} --count 1: {said}", highlight=False)
        if o.count == 1:
            traceback.print_exception(error)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
