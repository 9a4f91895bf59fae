"""Every write fails in turn: the old file stays whole, no half file stays, one line says why."""

import errno
import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import w2v_hs
from w2v_hs.checks import argument
from w2v_hs.cli import show
from w2v_hs.errors import CorpusError, FormatError, OptionError, OutputError
from w2v_hs.files import atomic
from w2v_hs.files.atomic import holding, replacing
from w2v_hs.training.observers.checkpoint import CheckpointSettings, save_checkpoint
from w2v_hs.training.threads import Position
from w2v_hs.tree.user_trees import save_codes

POSITION = Position(100, np.zeros(3), np.zeros(3, np.int64), 1.0)
WRITERS = {
    "m.safetensors": lambda model, path: model.save(path),
    "v.txt": lambda model, path: model.export(path),
    "v.bin": lambda model, path: model.export(path),
    "v.glove": lambda model, path: model.export(path),
    "v.npz": lambda model, path: model.export(path),
    "v.safetensors": lambda model, path: model.export(path),
    "v.parquet": lambda model, path: model.export(path),
    "v.arrow": lambda model, path: model.export(path),
    "counts.txt": lambda model, path: model.vocabulary.save(path),
    "tree.txt": lambda model, path: save_codes(path, model.tree, model.vocabulary.words),
    "result.json": lambda model, path: show.write_json(path, {"accuracy": 0.5}),
    "m.checkpoint.safetensors": lambda model, path: save_checkpoint(
        CheckpointSettings(path), model, POSITION, None
    ),
}


@pytest.fixture(params=WRITERS, ids=str)
def written(request, tmp_path, model):
    """(write, path, old bytes): a function that replaces a file which is there already."""
    path = tmp_path / request.param
    path.write_bytes(b"the old one")
    return lambda: WRITERS[request.param](model, path), path


def left_alone(path):
    """Whether the old file is whole and alone in its folder."""
    return path.read_bytes() == b"the old one" and list(path.parent.iterdir()) == [path]


class Disk:
    """A disk that takes no more at its n-th write, counted over all files written."""

    def __init__(self, monkeypatch, fails_at):
        self.left, self.real = fails_at, io.open
        monkeypatch.setattr("io.open", self.open)

    def open(self, file, mode="r", buffering=-1, encoding=None, *more):
        if "w" not in mode:
            return self.real(file, mode, buffering, encoding, *more)
        disk = self

        class File(io.FileIO):
            def write(self, data):
                disk.left -= 1
                if disk.left == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return super().write(data)

        raw = File(file, mode.replace("b", "").replace("t", ""))
        return raw if "b" in mode else io.TextIOWrapper(io.BufferedWriter(raw, 64), encoding)


def test_every_write_fails_in_turn(written, monkeypatch):
    write, path = written
    for turn in range(1, 200):
        with monkeypatch.context() as patch:
            disk = Disk(patch, turn)
            try:
                write()
            except OutputError as error:
                message = str(error)
                assert f"{path}: could not be written: No space left on device: " in message
                assert "bytes" in message and " free; make room" in message
            else:
                assert disk.left > 0 and turn > 1  # it ended before the turn came
                break
        assert left_alone(path)
    assert path.read_bytes() != b"the old one" and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_the_last_steps_fail(written, monkeypatch, step):
    write, path = written

    def fail(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    name = "os.fsync" if step == "fsync" else "pathlib.Path.replace"
    monkeypatch.setattr(name, fail)
    with pytest.raises(OutputError, match="could not be written: Input/output error"):
        write()
    assert left_alone(path)


LIMITED = """
import resource, sys
import w2v_hs
model = w2v_hs.load(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    model.save(sys.argv[2])
except w2v_hs.W2VError as error:
    print(error)
"""


def test_a_limit_of_the_size_of_files(model, tmp_path):
    """For real, in a process of its own: the system ends the write."""
    source, path = tmp_path / "source.safetensors", tmp_path / "out" / "m.safetensors"
    model.save(source)
    path.parent.mkdir()
    path.write_bytes(b"the old one")
    size = source.stat().st_size
    for limit in (0, 1, 100, size // 2, size - 1):
        command = [sys.executable, "-c", LIMITED, source, path, limit]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
        assert f"File too large: {size:,} bytes are needed; raise the limit" in done.stdout
        assert left_alone(path)


def test_a_disk_that_is_full(model, tmp_path):
    """For real, on a file system of 64 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a file system")
    try:
        path = disk / "m.safetensors"
        path.write_bytes(b"the old one")
        (disk / "filler").write_bytes(b"x" * 58_000)
        with pytest.raises(OutputError) as error:
            model.save(path)
        found = re.search(r"([\d,]+) bytes are needed and ([\d,]+) free", str(error.value))
        needed, free = (int(number.replace(",", "")) for number in found.groups())
        assert needed > free >= 0
        assert path.read_bytes() == b"the old one"
        assert sorted(p.name for p in disk.iterdir()) == ["filler", "m.safetensors"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# ---- what killed writers leave ------------------------------------------------------------------


def test_a_temporary_file_goes_with_the_next_write_once_its_writer_is_gone(tmp_path, model):
    path = tmp_path / "m.safetensors"
    code = (
        "import os, sys, pathlib; from w2v_hs.files.atomic import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half'); print(flush=True); sys.stdin.read()"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    writer.stdout.readline()
    model.save(path)
    assert len(list(tmp_path.iterdir())) == 2  # it is still at work
    writer.kill()
    writer.communicate()
    other = tmp_path / ".m.safetensors.notes"
    other.write_text("not ours")
    model.save(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [other.name, path.name]


def test_a_new_file_has_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "a") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_lock_is_free_again_whatever_happens_in_the_block(tmp_path):
    path = tmp_path / "m.safetensors"
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), holding(path):
            refused = pytest.raises(OutputError, match=f"process {os.getpid()} is writing it")
            with refused, holding(path):
                pass
            1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []


def test_without_locks_files_are_written_all_the_same(tmp_path, model, monkeypatch):
    monkeypatch.setattr(atomic, "fcntl", None)
    path = tmp_path / "m.safetensors"
    with holding(path):
        model.save(path)
    assert w2v_hs.load(path).vectors.words == model.vectors.words


def test_only_what_a_writer_left_is_cleared(tmp_path):
    """Names that look like temporary ones, and are somebody's."""
    mine, folder = tmp_path / ".v.txt.mine.tmp", tmp_path / ".v.txt.abcdefg1.tmp"
    mine.write_text("precious")
    folder.mkdir()
    (folder / "data").write_text("precious")
    left = tmp_path / ".v.txt.abcdefg2.tmp"
    left.write_text("half")
    with replacing(tmp_path / "v.txt") as temporary:
        temporary.write_text("new")
    assert mine.exists() and (folder / "data").exists() and not left.exists()


def test_a_path_is_no_option_of_the_command_that_is_printed():
    assert argument("-d.checkpoint.safetensors") == "./-d.checkpoint.safetensors"
    assert argument("a b") == "'a b'" and argument("a") == "a"


FULL = """
import resource, sys
from pathlib import Path
from w2v_hs.files.atomic import holding
from w2v_hs.errors import OutputError

resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    with holding(Path(sys.argv[1])):
        sys.exit("held")
except OutputError as error:
    print(error)
"""


def test_a_lock_that_cannot_be_written_is_not_left(tmp_path):
    child = subprocess.run([sys.executable, "-c", FULL, tmp_path / "m.safetensors"], capture_output=True)
    assert child.returncode == 0, child.stderr
    assert b"could not be written: File too large: 21 bytes are needed" in child.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["precious", "x" * 21, "\0" + " " * 16 + "1234\n"])
def test_a_file_that_only_has_the_name_of_a_lock_stays(tmp_path, model, content):
    path, lock = tmp_path / "m.safetensors", tmp_path / ".m.safetensors.lock"
    lock.write_text(content)
    kept = lock.read_bytes()
    for write in (lambda: model.save(path), holding(path).__enter__):
        with pytest.raises(OutputError, match=r"m\.safetensors\.lock is a file of another kind; move that"):
            write()
    assert lock.read_bytes() == kept and not path.exists()


def test_a_lock_with_two_names_is_somebodys(tmp_path, model):
    path, lock, other = tmp_path / "v", tmp_path / ".v.lock", tmp_path / "other"
    other.touch()
    for link in (lock.hardlink_to, lock.symlink_to):
        link(other)
        with pytest.raises(OutputError, match="is a file of another kind"):
            model.save(path)
        lock.unlink()
    for left in (b"", b"\0%20d" % 1234, bytes(21)):  # by runs that were killed, or a loss of power
        lock.write_bytes(left)
        model.save(path)
        assert sorted(tmp_path.iterdir()) == [other, path]


# ---- several processes at once ------------------------------------------------------------------

SAVING = """
import sys, time
from pathlib import Path
from w2v_hs.files.atomic import check_writable, replacing

end, data = time.monotonic() + 2, sys.argv[2].encode() * 10_000
while time.monotonic() < end:
    check_writable(Path(sys.argv[1]))
    with replacing(Path(sys.argv[1])) as temporary:
        temporary.write_bytes(data)
"""


def at_once(code, arguments):
    """Run a program in one process for each list of arguments, all at once; what each printed."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, *map(str, of_one)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for of_one in arguments
    ]
    done = [process.communicate(timeout=60) for process in processes]
    for process, (_, errors) in zip(processes, done, strict=True):
        assert process.returncode == 0, errors
    return [out for out, _ in done]


def test_processes_that_save_at_once_do_not_disturb_each_other(tmp_path):
    """Four to one name, two to names that begin with the same letters."""
    long = [tmp_path / ("n" * 60 + end) for end in "ab"]
    at_once(SAVING, [(tmp_path / "v.txt", letter) for letter in "abcd"] + [(p, "a") for p in long])
    assert sorted(tmp_path.iterdir()) == sorted([*long, tmp_path / "v.txt"])
    found = (tmp_path / "v.txt").read_text()
    assert found in [letter * 10_000 for letter in "abcd"]


HOLDING = """
import os, sys, time
from pathlib import Path
from w2v_hs.files.atomic import holding
from w2v_hs.errors import OutputError

end, inside, held = time.monotonic() + 2, Path(sys.argv[1]).with_name("inside"), 0
while time.monotonic() < end:
    try:
        with holding(Path(sys.argv[1])):
            inside.touch(exist_ok=False)  # fails where another process is in such a block
            held += 1
            inside.unlink()
    except OutputError as error:
        assert "is writing it; wait until that has ended" in str(error), error
print(held)
"""


def test_one_process_at_a_time_holds_an_output(tmp_path):
    held = at_once(HOLDING, [(tmp_path / "m.safetensors",)] * 4)
    assert sum(map(int, held)) > 10
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    """Files are written all the same, and those of others, who may be at work, are left alone."""

    def fail(*arguments):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", fail)
    other = tmp_path / ".v.txt.abcdefg1.tmp"
    other.write_text("half")
    with holding(tmp_path / "v.txt"), replacing(tmp_path / "v.txt") as temporary:
        temporary.write_text("new")
    assert sorted(tmp_path.iterdir()) == [other, tmp_path / "v.txt"]


def test_a_link_that_leads_back_to_itself(tmp_path, model):
    path = tmp_path / "m.safetensors"
    path.symlink_to(path.name)
    for write in (lambda: model.save(path), lambda: model.export(path, format="projector")):
        with pytest.raises(
            OutputError, match=r"m\.safetensors: is a symbolic link that leads back to itself"
        ):
            write()
    with pytest.raises(FormatError, match=r"m\.safetensors: no such file"):
        w2v_hs.load(path)
    assert path.is_symlink()


def test_names_too_long_for_any_file(tmp_path, text_file, model):
    long = tmp_path / ("x" * 5000)
    for use, error in (
        (w2v_hs.load, FormatError),
        (w2v_hs.resume, FormatError),
        (lambda name: w2v_hs.load_vectors(name, format="npz"), FormatError),
        (lambda name: w2v_hs.train(text_file, vocab=name), FormatError),
        (lambda name: w2v_hs.train(text_file, vocab="a\0b"), FormatError),
        (lambda name: w2v_hs.train(text_file, tree=str(name)), OptionError),
        (lambda name: w2v_hs.train(name, checkpoint=tmp_path / "m.safetensors"), CorpusError),
        (lambda name: w2v_hs.train(text_file, checkpoint=name), OutputError),
        (model.save, OutputError),
    ):
        with pytest.raises(error):
            use(long)


def test_the_longest_name_that_a_file_can_have(tmp_path):
    path = tmp_path / ("é" * 127)
    with holding(path), replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="no modes")
def test_a_private_file_stays_private(model, tmp_path):
    path = tmp_path / "m.safetensors"
    path.touch(0o600)
    model.save(path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("writer", ["replacing", "new_folder"])
def test_sigterm_leaves_no_temporary_file_and_the_old_one_whole(tmp_path, writer):
    program = f"""if True:
        import os, signal, sys
        from pathlib import Path
        from w2v_hs.files.atomic import {writer}
        from w2v_hs.termination import terminate
        signal.signal(signal.SIGTERM, terminate)
        with {writer}(Path(sys.argv[1])) as temporary:
            if temporary.is_dir():
                (temporary / "a").write_text("half")
            os.kill(os.getpid(), signal.SIGTERM)
        """
    output = tmp_path / "out"
    if writer == "replacing":
        output.write_text("old")
    before = list(tmp_path.iterdir())
    done = subprocess.run([sys.executable, "-c", program, output], capture_output=True)
    assert (done.returncode, done.stderr) == (143, b"stopped\n")
    assert list(tmp_path.iterdir()) == before and all(path.read_text() == "old" for path in before)
