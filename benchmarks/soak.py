"""Hours of bad luck in minutes: kills, signals, files that do not fit; the end must be the same.

    python benchmarks/soak.py
    python benchmarks/soak.py wiki.txt --kills 50 --epochs 5

Trains with one thread to the end, undisturbed. Then the same run again, which is killed (every
third time stopped by SIGTERM or SIGINT, every fifth under a limit of the size of files that no
checkpoint fits) at random moments, so many times, and each time goes on from its newest checkpoint.
After each stop that checkpoint must load, and no half file may be left for good. At the end the
two models must be equal to the bit. Exits with 1 where anything else was seen.
"""

import argparse
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

import w2v_hs
from w2v_hs.training.observers.checkpoint import checkpoint_path, load_checkpoint

SMALL = 10_000  # bytes: a limit that no checkpoint fits


def start(arguments: list, limit: int | None) -> subprocess.Popen:
    """A `w2v-hs` process; limit: of the size of files, in bytes."""

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    return subprocess.Popen(
        [sys.executable, "-m", "w2v_hs", *map(str, arguments)], stderr=subprocess.PIPE, preexec_fn=prepare
    )


def check(truth: bool, what: str) -> None:
    if not truth:
        sys.exit(f"FAILED: {what}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", nargs="?", default="factbook")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--longest", type=float, default=3.0, help="seconds between two stops")
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    chance = random.Random(o.seed)
    seen: Counter = Counter()
    with tempfile.TemporaryDirectory() as folder:
        whole, output = Path(folder) / "whole.safetensors", Path(folder) / "m.safetensors"
        kept = checkpoint_path(output)
        options = ["--threads", 1, "--epochs", o.epochs, "--tree", "learned", "--checkpoint-every", 0.3]
        started = time.perf_counter()
        undisturbed = start(["train", o.text, "-o", whole, *options], None)
        errors = undisturbed.communicate()[1].decode()
        check(undisturbed.returncode == 0, f"the undisturbed run: {errors}")
        seen["seconds of the undisturbed run"] = round(time.perf_counter() - started)
        stops, place = 0, 0
        while stops < o.kills:
            limit = SMALL if stops % 5 == 4 else None
            arguments = ["resume", kept] if kept.exists() else ["train", o.text, "-o", output, *options]
            process = start(arguments, limit)
            time.sleep(chance.uniform(0.1, o.longest))
            if process.poll() is None:
                number = signal.SIGKILL
                if stops % 3 == 2:
                    number = chance.choice([signal.SIGTERM, signal.SIGINT])
                process.send_signal(number)
                seen[f"stopped by {number.name}"] += 1
            errors = process.communicate()[1].decode()
            check("Traceback" not in errors, errors)
            if process.returncode == 0:
                break
            if limit is not None and process.returncode == 1:
                check(errors.count("\n") == 1 and errors.startswith("error: "), errors)
                seen["ended by the limit of file sizes"] += 1
            stops += 1
            check(not output.exists(), "a model from a run that did not end")
            if kept.exists():
                now = len(load_checkpoint(kept).position.loss)
                check(now >= place, f"the checkpoint went back from chunk {place} to {now}")
                seen["checkpoints that loaded"] += 1
                seen["checkpoints farther than the one before"] += now > place
                place = now
            half = [path for path in Path(folder).glob(".*.tmp")]
            seen["half files after a stop, removed later"] += len(half)
        if not output.exists():
            arguments = ["resume", kept] if kept.exists() else ["train", o.text, "-o", output, *options]
            last = start(arguments, None)
            errors = last.communicate()[1].decode()
            check(last.returncode == 0, f"the last run: {errors}")
        a, b = w2v_hs.load(whole), w2v_hs.load(output)
        check(a.vectors.matrix.tobytes() == b.vectors.matrix.tobytes(), "vectors differ")
        check(a.outputs.tobytes() == b.outputs.tobytes(), "output weights differ")
        check(a.losses == b.losses, "losses differ")
        left = sorted(path.name for path in Path(folder).iterdir())
        check(left == [output.name, whole.name], f"left behind: {left}")
    table = Table("seen", "times")
    for what, count in seen.items():
        table.add_row(what, str(count))
    Console().print(table)
    print(f"{stops} stops; the model is equal to the undisturbed one to the bit")


if __name__ == "__main__":
    main()
