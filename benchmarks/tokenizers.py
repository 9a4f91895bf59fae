"""Megabytes of raw text per second of one core that each tokenizer splits and lowercases.

    python benchmarks/tokenizers.py raw.txt
    python benchmarks/tokenizers.py raw.txt --megabytes 16 --rounds 5

Tokenizers take turns; NLTK's get the first megabyte. The median of the rounds is shown, of the time
of the processor, so that other programs do not count.
"""

import argparse
import statistics
import time
from pathlib import Path

from w2v_hs.options import TOKENIZERS, Preprocessing
from w2v_hs.text.blocks import prepared
from w2v_hs.text.sources import Source

BLOCK = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--megabytes", type=int, default=16, help="for the compiled tokenizers")
    parser.add_argument("--rounds", type=int, default=3)
    o = parser.parse_args()
    data, source = o.text.read_bytes(), Source(str(o.text), "file")
    speeds = {tokenizer: [] for tokenizer in TOKENIZERS}
    for _ in range(o.rounds + 1):  # the first compiles and loads
        for tokenizer, measured in speeds.items():
            preprocessing = Preprocessing(lowercase=True, tokenize=tokenizer)
            size = BLOCK if preprocessing.needs_nltk else o.megabytes << 20
            blocks = [data[at : at + BLOCK] for at in range(0, min(size, len(data)), BLOCK)]
            blocks = [block.decode(errors="ignore").encode() for block in blocks]
            began = time.process_time()
            for block in blocks:
                prepared(block, source, preprocessing)
            measured.append(sum(map(len, blocks)) / 1e6 / (time.process_time() - began))
    print("| `--tokenize` | MB/s |\n| --- | --- |")
    for tokenizer, measured in speeds.items():
        print(f"| `{tokenizer}` | {statistics.median(measured[1:]):.1f} |")


if __name__ == "__main__":
    main()
