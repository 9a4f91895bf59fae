"""Training on Dask: shards, merging, and real clusters, whose workers and schedulers are killed."""

import contextlib
import gzip
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TEXT
from hypothesis import example, given, settings
from hypothesis import strategies as st

import w2v_hs
from w2v_hs.errors import ClusterError, CorpusError, DivergedError, OptionError
from w2v_hs.options import Preprocessing
from w2v_hs.text.corpus import read_corpus

pytest.importorskip("distributed")

from w2v_hs.kernels import row_changes
from w2v_hs.model.weights import start_vectors
from w2v_hs.options import Options
from w2v_hs.training.cluster import client as cluster
from w2v_hs.training.cluster import merging, rounds, shards
from w2v_hs.training.cluster.merging import BlockChanges, RowChanges, WeightBlock
from w2v_hs.training.cluster.text import read
from w2v_hs.training.observers.holdout import set_aside
from w2v_hs.tree.tree import huffman

# ---- text in shards -----------------------------------------------------------------------------


def read_in_shards(name, size, min_count=1, **preprocessing):
    """The vocabulary of a text that is read in shards, and its sentences as words."""
    how = Preprocessing(**preprocessing)
    scanned = [shards.scan(shard, how) for shard in shards.cut(shards.find_files(name, how), size)]
    counted = shards.merge_types([one.counted for one in scanned])
    chosen = shards.choose(counted, name, min_count, None)
    words, sentences = chosen.vocabulary.words, []
    for ids, offsets in (shards.encode(one, chosen) for one in scanned):
        for begin, end in itertools.pairwise(offsets.tolist()):
            sentences.append([words[i] for i in ids[begin:end]])
    return chosen, sentences


LINES = st.lists(st.text("ab é\u00a0\t", max_size=12), min_size=1, max_size=12)


@settings(max_examples=80)
@given(LINES, st.integers(1, 60), st.sampled_from(["\n", "\r\n"]))
def test_shards_of_any_size_hold_each_line_once(tmp_path_factory, lines, size, newline):
    path = tmp_path_factory.mktemp("shards") / "text.txt"
    path.write_bytes((newline.join(lines) + newline + "x y" + newline).encode())
    chosen, sentences = read_in_shards(str(path), size)
    assert sentences == [line.split() for line in [*lines, "x y"] if line.split()]
    whole = read_corpus(path, min_count=1)
    assert chosen.vocabulary.words == whole.vocabulary.words
    assert chosen.vocabulary.counts.tolist() == whole.vocabulary.counts.tolist()
    assert (chosen.types, chosen.tokens) == (whole.types, whole.tokens)


def test_text_of_all_kinds_is_read_in_shards_as_in_one_process(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    lines = [f"Well, can't wait for été {number} :-) !" for number in range(9)]
    (tmp_path / "t.txt").write_text("\n".join(lines))
    (tmp_path / "wide.txt").write_bytes("\n".join(lines).encode("utf-16"))
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"id": 1, "said": line}) + "\n" for line in lines))
    pq.write_table(pa.table({"id": range(9), "said": lines}), tmp_path / "t.parquet", row_group_size=4)
    for name, preprocessing in (
        ("t.txt", {"tokenize": "words", "lowercase": True}),
        ("t.txt", {"tokenize": "tweet", "lowercase": True}),
        ("wide.txt", {"encoding": "utf-16"}),
        ("t.jsonl", {"text_column": "said"}),
        ("t.jsonl", {"text_column": "said", "tokenize": "treebank"}),
        ("t.parquet", {"text_column": "said", "tokenize": "words"}),
    ):
        path = tmp_path / name
        whole = read_corpus(path, min_count=1, preprocessing=Preprocessing(**preprocessing))
        words, bounds = np.array(whole.vocabulary.words), whole.sentences.tolist()
        expected = [words[whole.ids[a:b]].tolist() for a, b in itertools.pairwise(bounds)]
        assert len(expected) == 9
        for address in (str(path), path.as_uri()):
            chosen, sentences = read_in_shards(address, 50, **preprocessing)
            assert sentences == expected, (address, preprocessing)
            assert chosen.vocabulary.words == whole.vocabulary.words


def test_folders_compressed_files_and_addresses_are_read(tmp_path):
    (tmp_path / "b.txt").write_text("c d\n" * 10)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"a b\n" * 10))
    (tmp_path / ".hidden").write_text("no")
    for name in (str(tmp_path), f"{tmp_path}/*.*", tmp_path.as_uri()):
        _, sentences = read_in_shards(name, 8)
        assert sentences == [["a", "b"]] * 10 + [["c", "d"]] * 10, name


def test_what_workers_cannot_read_is_named(tmp_path):
    for name in ("-", "nltk:brown", str(tmp_path / "none"), f"{tmp_path.as_uri()}/none", "no://x"):
        with pytest.raises(CorpusError, match=re.escape(name.split(":")[0])):
            shards.find_files(name)
    path = tmp_path / "latin.txt"
    path.write_bytes(b"a b\n" * 100 + b"caf\xe9\n")
    with pytest.raises(CorpusError, match=r"latin.txt.*byte 403.*UTF-8"):
        read_in_shards(str(path), 50)
    column = {"text_column": "text"}
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "a b"}\n' * 9 + "{}\n")
    for name in (str(rows), rows.as_uri()):
        with pytest.raises(CorpusError, match=r"rows.jsonl: byte 144: no column 'text'"):
            read_in_shards(name, 50, **column)
        with pytest.raises(CorpusError, match=r"rows.jsonl: name the column"):
            read_in_shards(name, 50)
    with pytest.raises(CorpusError, match=r"latin.txt: text_column is for files"):
        read_in_shards(path.as_uri(), 50, **column)
    damaged = tmp_path / "cut.gz"
    damaged.write_bytes(gzip.compress(TEXT.encode())[:-9])
    with pytest.raises(CorpusError, match=r"cut.gz.*truncated"):
        read_in_shards(str(damaged), 50)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 40))
def test_each_sentence_is_in_one_round(lengths, count):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    text = shards.EncodedShard(np.arange(offsets[-1], dtype=np.int32), offsets)
    parts = [rounds.slice_of(text, number, count) for number in range(count)]
    again = rounds.concatenate(parts)
    assert again.ids.tolist() == text.ids.tolist()
    assert again.sentences.tolist() == offsets.tolist()
    assert all(part.sentences[-1] == len(part.ids) for part in parts)


# ---- merging ------------------------------------------------------------------------------------


def changes(parts, curvature):
    """Changes of a block of one row of two numbers, from (change, predictions) of each worker."""
    found = []
    for change, steps in parts:
        steps = np.array([steps], np.float32)
        one = RowChanges(np.array([0]), np.array([change], np.float32), steps, -np.expm1(-curvature * steps))
        found.append(BlockChanges(one, one, (curvature, curvature)))
    return found


def merged_row(parts, curvature):
    zero = np.zeros((1, 2), np.float32)
    return merging.apply_changes(WeightBlock(zero, zero), changes(parts, curvature)).vectors[0]


PARTS = st.lists(
    st.tuples(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), st.integers(1, 1000)),
    min_size=1,
    max_size=20,
)


@given(PARTS, st.floats(1e-6, 1.0))
def test_merging_lies_between_the_mean_and_the_sum(parts, curvature):
    total = np.sum([change for change, _ in parts], axis=0)
    size = np.abs([change for change, _ in parts]).sum() + 1e-6
    found = merged_row(parts, curvature)
    scale = found[np.abs(total) > 0.01 * size] / total[np.abs(total) > 0.01 * size]
    assert np.all(scale <= 1 + 1e-3) and np.all(scale >= 1 / len(parts) - 1e-3)
    if len(parts) == 1:
        np.testing.assert_allclose(found, parts[0][0], rtol=1e-6)
    np.testing.assert_allclose(merged_row(parts, 1e-9), total, atol=1e-4 * size)
    np.testing.assert_allclose(merged_row(parts, 50), total / len(parts), atol=1e-4 * size)


@given(PARTS, st.floats(1e-4, 1.0), st.integers(1, 19))
def test_merging_in_groups_is_merging_all(parts, curvature, cut):
    all_parts = changes(parts, curvature)
    groups = [group for group in (all_parts[:cut], all_parts[cut:]) if group]
    zero = np.zeros((1, 2), np.float32)
    block = WeightBlock(zero, zero)
    found = merging.apply_changes(block, [merging.merge_changes(group) for group in groups])
    np.testing.assert_allclose(
        found.vectors, merging.apply_changes(block, all_parts).vectors, atol=1e-3, rtol=1e-4
    )


def test_merging_quadratics_is_one_worker_that_takes_all_steps():
    """What the rule is derived from: each step closes a share of the distance to the optimum."""
    share, optimum = 0.01, np.array([3.0, -1.0])
    for steps in ([5, 5], [1, 300], [100, 200, 700]):
        parts = [(tuple((1 - np.exp(-share * n)) * optimum), n) for n in steps]
        together = (1 - np.exp(-share * sum(steps))) * optimum
        np.testing.assert_allclose(merged_row(parts, share), together, rtol=1e-5)


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=20))
def test_changes_are_rounded_to_the_nearest_bfloat16(numbers):
    matrix = np.array([numbers], np.float32)
    zero, row = np.zeros_like(matrix), np.zeros(1, np.int64)
    bits = row_changes.differences(matrix, zero, row, 0, 1)
    row_changes.add_rounded_rows(zero, row, bits, np.ones(1, np.float32))
    # 8 digits, the first of which is not stored; below 2^-126 numbers have fewer.
    np.testing.assert_allclose(zero, matrix, rtol=2.0**-8, atol=2.0**-134)


def test_many_workers_are_merged_with_more_care():
    """Sixteen that added up what eight may add up have diverged."""
    corpus = read_corpus([line.split() for line in TEXT.splitlines()] * 100, min_count=1)
    options = Options(tree="huffman", dim=8, threads=1, sample=0).resolved()
    job = rounds.Job(corpus.vocabulary, huffman(corpus.vocabulary.counts), options)
    (block,) = merging.start_blocks(len(corpus.vocabulary), options, 1)
    text = shards.EncodedShard(np.asarray(corpus.ids), corpus.sentences)

    def moved(parts):
        _, changes = rounds.train_part(job, rounds.Part(0, 1, 0, parts), [block], [text])
        return np.linalg.norm(merging.apply_changes(block, changes * 16).outputs)

    assert moved(2) == moved(8) > 1.2 * moved(16)


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=30),
    st.lists(st.integers(0, 3), min_size=30, max_size=30),
    st.integers(1, 4),
)
@example([1, 1, 3], [0, 0, 1], 3)  # one idle, the others with all there is
def test_shards_go_to_all_workers_and_stay_there(sizes, before, count):
    names = [f"w{i}" for i in range(count)]
    known = [f"w{i}" for i in before[: len(sizes)]]
    where = cluster.place_shards(sizes, known, names)
    loads = [sum(s for s, w in zip(sizes, where, strict=True) if w == name) for name in names]
    assert sum(loads) == sum(sizes)
    assert max(loads) <= sum(sizes) / count + max(sizes)
    if len(sizes) >= count:
        assert cluster.place_shards(sizes, where, names) == where
        assert set(where) == set(names)


# ---- clusters -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as local,
        Client(local) as client,
    ):
        yield client


def test_a_client_that_is_closed(client, text):
    from distributed import Client

    other = Client(client.scheduler.address)
    other.close()
    with pytest.raises(ClusterError, match="the client is closed; connect a new one"):
        w2v_hs.train(text, client=other)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("cluster") / "text.txt"
    path.write_text(TEXT * 8000)
    return path


# With a window of 1 every sentence of n words has 2 (n - 1) predictions, whatever is drawn.
EXACT = {"sample": 0, "window": 1, "tree": "huffman"}


def predictions(path):
    return sum(2 * (len(line.split()) - 1) for line in path.read_text().splitlines())


def test_a_cluster_trains_every_token_once_and_as_well_as_one_process(client, text):
    options = EXACT | {"dim": 16, "epochs": 3}
    model = w2v_hs.train(text, client=client, rounds=5, **options)
    alone = w2v_hs.train(text, threads=1, **options)
    assert model.vocabulary.words == alone.vocabulary.words
    assert model.vocabulary.counts.tolist() == alone.vocabulary.counts.tolist()
    assert model.provenance["predictions"] == 3 * predictions(text)
    assert model.provenance["corpus"]["retained_tokens"] == len(text.read_text().split())
    assert model.losses[-1] == pytest.approx(alone.losses[-1], rel=0.02)
    cost = model.provenance["cluster"]
    assert cost["rounds"] == 15 and cost["parts"] == 2 and cost["sent"] > 0


def test_the_sentences_that_one_process_holds_out_and_patience(client, tmp_path):
    """Random text: learning it by heart makes the rest less probable. Long words make shards."""
    path, draw = tmp_path / "noise.jsonl", np.random.default_rng(1)
    lines = [
        [f"{word:0100}" for word in draw.integers(40, size=length)] for length in draw.integers(1, 9, 600)
    ]
    path.write_text("".join(json.dumps({"text": " ".join(line)}) + "\n" for line in lines))
    _, aside = set_aside(
        read_corpus(path, min_count=1, preprocessing=Preprocessing(text_column="text")), 0.2, 1
    )
    bounds = aside.sentences.tolist()
    words = np.array(aside.vocabulary.words)
    held = [words[aside.ids[first:last]].tolist() for first, last in itertools.pairwise(bounds)]
    options = EXACT | {
        "dim": 16,
        "lr": 0.1,
        "min_count": 1,
        "holdout": 0.2,
        "patience": 1,
        "text_column": "text",
    }
    model = w2v_hs.train(path, client=client, rounds=1, epochs=60, **options)
    facts, losses = model.provenance["holdout"], model.holdout_losses
    assert (facts["sentences"], facts["tokens"]) == (len(held), len(aside.ids))
    assert len(losses) == len(model.losses) == facts["best_epoch"] + 1 < 60
    assert model.perplexity(held).nats == pytest.approx(min(losses)) and min(losses) < losses[-1]
    kept = sum(2 * (len(line) - 1) for line in lines) - facts["predictions"]
    assert model.provenance["predictions"] == len(losses) * kept
    assert model.provenance["corpus"]["sentences"] == len(lines) - len(held)


def test_windows_of_one_side_and_full_size_on_a_cluster(client, text):
    options = {"sample": 0, "window": 3, "shrink_windows": False, "side": "left", "tree": "learned"}
    model = w2v_hs.train(text, client=client, rounds=5, dim=8, epochs=2, **options)
    lengths = [len(line.split()) for line in text.read_text().splitlines()]
    assert model.provenance["predictions"] == 2 * sum(3 * n - 6 for n in lengths)


def test_files_of_unknown_size_are_read_by_all_workers(client, tmp_path):
    files = []
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text(TEXT)
        (file,) = shards.find_files(str(tmp_path / f"{number}.txt"))
        files.append(replace(file, size=None))
    found = read(client, files, 1000, Options(), None, Preprocessing(), lambda done, total: None)
    assert len(set(found.where)) == 2


def test_training_begins_with_the_weights_of_one_process(client, text):
    model = w2v_hs.train(text, client=client, tree="huffman", dim=8, epochs=1, threads=1, lr=1e-9)
    begin = start_vectors(len(model.vocabulary), 8, model.options.seed)[:, :8]
    np.testing.assert_allclose(model.vectors.matrix, begin, atol=1e-5)


def test_the_same_run_on_the_same_workers_gives_the_same_bits(client, text):
    runs = [w2v_hs.train(text, client=client, rounds=2, epochs=1, dim=8, **EXACT) for _ in range(2)]
    assert runs[0].vectors.matrix.tobytes() == runs[1].vectors.matrix.tobytes()
    assert runs[0].outputs.tobytes() == runs[1].outputs.tobytes()


@pytest.mark.parametrize("options", [{"arch": "cbow", "tree": "balanced"}, {"tree": "learned"}])
def test_other_models_and_trees(client, text, options):
    options = {"dim": 16, "epochs": 2, "sample": 0} | options
    model = w2v_hs.train(text, client=client, rounds=5, **options)
    alone = w2v_hs.train(text, threads=1, **options)
    assert model.losses[-1] <= 1.05 * alone.losses[-1]
    assert model.distribution("king").sum() == pytest.approx(1)
    # Weights of another tree would be far above the loss of unigram frequencies.
    exact = model.perplexity(text)
    assert exact.nats <= 1.2 * alone.perplexity(text).nats < exact.unigram
    if options["tree"] == "learned":
        from w2v_hs.tree.tree import huffman

        assert model.tree.bits.tolist() != huffman(model.vocabulary.counts).bits.tolist()


def test_what_a_cluster_does_not_do_is_refused(client, text):
    for options in ({"loss": "softmax"}, {"window": None}, {"subwords": (3, 6)}):
        with pytest.raises(OptionError, match="on a cluster"):
            w2v_hs.train(text, client=client, **options)
    with pytest.raises(OptionError, match="read files"):
        w2v_hs.train([["a", "b"]], client=client)
    with pytest.raises(OptionError, match="rounds=3 without a cluster"):
        w2v_hs.train(text, rounds=3)


@contextlib.contextmanager
def at_first_progress(act):
    """Call act(address of the worker), once, when a worker has trained a part of the text."""
    told = []

    def tell(message):
        if not told and message["tokens"] > 0:
            told.append(message)
            act(message["worker"])

    listener = cluster.ProgressListener
    hear = listener._hear
    try:
        listener._hear = lambda self, event: (hear(self, event), tell(event[1]))
        yield told
    finally:
        listener._hear = hear


def killing_a_worker(client):
    """Kill the first worker that trains, once."""
    pids = client.run(os.getpid)
    return at_first_progress(lambda worker: os.kill(pids[worker], signal.SIGKILL))


def test_a_worker_killed_in_a_round_costs_no_token(client, text):
    options = EXACT | {"dim": 400, "epochs": 3}
    with killing_a_worker(client) as killed:
        model = w2v_hs.train(text, client=client, rounds=1, **options)
    assert killed
    assert model.provenance["predictions"] == 3 * predictions(text)
    assert np.isfinite(model.vectors.matrix).all()


def test_replicas_are_those_of_one_process_to_the_bit_even_if_a_worker_dies(client, text_file, tmp_path):
    options = {"dim": 12, "epochs": 40, "threads": 1, "seed": 7, "holdout": 0.05, "resample": True}
    alone = w2v_hs.train(text_file, replicas=3, keep_replicas=tmp_path / "alone", **options)
    with killing_a_worker(client) as killed:
        model = w2v_hs.train(
            text_file, client=client, replicas=3, keep_replicas=tmp_path / "cluster", **options
        )
    assert killed
    pairs = [(model, alone)]
    pairs += [
        [w2v_hs.load(tmp_path / of / f"{n}.safetensors") for of in ("cluster", "alone")] for n in (1, 2, 3)
    ]
    for found, expected in pairs:
        assert found.vectors.matrix.tobytes() == expected.vectors.matrix.tobytes()
        assert found.outputs.tobytes() == expected.outputs.tobytes()
        assert found.losses == expected.losses and found.holdout_losses == expected.holdout_losses
        assert found.options == expected.options
        assert found.provenance["predictions"] == expected.provenance["predictions"]


def test_an_interrupt_ends_replicas_on_their_workers(client, text_file):
    stop = at_first_progress(lambda worker: os.kill(os.getpid(), signal.SIGINT))
    with stop, pytest.raises(KeyboardInterrupt):
        w2v_hs.train(text_file, client=client, replicas=2, epochs=9999, threads=1, **EXACT)
    until = time.monotonic() + 20
    while any(client.run(lambda dask_worker: len(dask_worker.state.all_running_tasks)).values()):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_what_replicas_on_a_cluster_cannot_do_is_told(client, text_file):
    for corpus in (Path("-"), "s3://bucket/text", [["a", "b"]] * 9):
        with pytest.raises(OptionError, match=r"replicas=2 on a cluster: .* give paths of files"):
            w2v_hs.train(corpus, client=client, replicas=2)
    with pytest.raises(DivergedError):
        w2v_hs.train(text_file, client=client, replicas=2, dim=8, lr=1e30)
    with text_file.open() as file:
        os.dup2(file.fileno(), 999)
    try:
        with pytest.raises(CorpusError, match=r"on the worker tcp://\S+: .*fd/999: no such file"):
            w2v_hs.train(Path("/proc/self/fd/999"), client=client, replicas=2, dim=8)
    finally:
        os.close(999)


@pytest.fixture
def processes():
    """Start programs of Dask; they are stopped in the end."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in reversed(started):
        process.kill()
        process.wait()


def start_cluster(start, workers):
    """A scheduler and workers as programs; the scheduler and its address."""
    scheduler = start("dask_scheduler", "--port", "0", "--no-dashboard")
    for line in scheduler.stderr:
        if found := re.search(r"Scheduler at:\s+(tcp://\S+)", line):
            break
    threading.Thread(target=scheduler.stderr.read, daemon=True).start()
    for _ in range(workers):
        start("dask_worker", found[1], "--nthreads", "1", "--no-dashboard", "--no-nanny")
    return scheduler, found[1]


def test_a_lost_scheduler_is_one_line_and_the_checkpoint_goes_on(text, tmp_path, processes, run):
    scheduler, address = start_cluster(processes, 1)
    output, kept = tmp_path / "m.safetensors", tmp_path / "m.checkpoint.safetensors"
    training = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "w2v_hs",
            "train",
            text,
            "-o",
            output,
            "--scheduler",
            address,
            "--tree",
            "huffman",
            "--dim",
            "50",
            "--window",
            "1",
            "--sample",
            "0",
            "--epochs",
            "20",
            "--rounds",
            "2",
            "--holdout",
            "0.001",
            "--checkpoint-every",
            "0.1",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not kept.exists() and training.poll() is None:
        time.sleep(0.05)
    scheduler.kill()
    message = training.communicate(timeout=60)[1]
    assert training.returncode == 1, message
    *progress, error = message.splitlines()  # of the epochs that had ended
    assert error.startswith("error: ") and "the scheduler is lost" in error
    assert all(line.startswith("training ") for line in progress)
    assert f"w2v-hs resume {kept} --scheduler" in message
    assert not output.exists()
    done = run("resume", kept)
    assert done.returncode == 1 and b"give its scheduler" in done.stderr
    _, address = start_cluster(processes, 2)
    done = run("resume", kept, "--scheduler", address)
    assert done.returncode == 0, done.stderr
    model = w2v_hs.load(output)
    trained = predictions(text) - model.provenance["holdout"]["predictions"]
    assert model.provenance["predictions"] == 20 * trained and len(model.holdout_losses) == 20
    assert not kept.exists()


def test_a_scheduler_that_is_not_there():
    with pytest.raises(ClusterError, match="no Dask scheduler answers there"):
        cluster.connect("tcp://127.0.0.1:1", timeout=0.5)
