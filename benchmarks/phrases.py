"""Phrases beside gensim's: the same text, threshold and score, whole processes from text to text.

    python benchmarks/phrases.py wiki.txt
    python benchmarks/phrases.py wiki.txt --runs 3 --threshold 100

One pass each. Files and phrases must be the same, else the exit code is 1. gensim is asked for
word2phrase's score by a function; its own, a constant factor away, is as fast.
"""

import argparse
import filecmp
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

PROGRAMS = ("w2v_hs", "w2v_hs, one thread", "gensim")


def score(worda_count, wordb_count, bigram_count, len_vocab, min_count, corpus_word_count):
    """That of word2phrase, for gensim."""
    return (bigram_count - min_count) / (worda_count * wordb_count) * corpus_word_count


def run(program: str, text: str, output: str, threshold: float) -> None:
    """Find phrases with one program, and print how many there are and the memory it took."""
    if program == "gensim":
        from gensim.models.phrases import Phrases
        from gensim.models.word2vec import LineSentence

        sentences = LineSentence(text, max_sentence_length=1 << 30)
        model = Phrases(sentences, min_count=5, threshold=threshold, scoring=score).freeze()
        with Path(output).open("w") as file:
            for sentence in sentences:
                file.write(" ".join(model[sentence]) + "\n")
        found = model.phrasegrams
    else:
        from w2v_hs import join_phrases

        threads = 1 if program.endswith("one thread") else None
        result = join_phrases(text, output, thresholds=[threshold], threads=threads)
        found = {phrase.phrase: phrase.score for phrase in result.phrases}
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"phrases": found, "megabytes": kilobytes / 1024}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threshold", type=float, default=100)
    parser.add_argument("--program", help=argparse.SUPPRESS)
    parser.add_argument("--output", help=argparse.SUPPRESS)
    o = parser.parse_args()
    if o.program:
        run(o.program, o.text, o.output, o.threshold)
        return
    seconds: dict[str, list[float]] = {program: [] for program in PROGRAMS}
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(o.runs):
            for number, program in enumerate(PROGRAMS):  # in turn: the machine may change its pace
                command = [sys.executable, __file__, o.text, "--program", program]
                command += ["--output", f"{folder}/{number}", "--threshold", str(o.threshold)]
                started = time.perf_counter()
                done = subprocess.run(command, capture_output=True, check=True)
                seconds[program].append(time.perf_counter() - started)
                results[program] = json.loads(done.stdout)
        same = all(
            filecmp.cmp(f"{folder}/0", f"{folder}/{number}", shallow=False)
            and results[program]["phrases"] == results[PROGRAMS[0]]["phrases"]
            for number, program in enumerate(PROGRAMS)
        )
    table = Table("program", "seconds (median)", "x ours", "phrases", "MB")
    ours = statistics.median(seconds[PROGRAMS[0]])
    for program in PROGRAMS:
        median, result = statistics.median(seconds[program]), results[program]
        table.add_row(
            program,
            f"{median:.1f}",
            f"{median / ours:.1f}",
            f"{len(result['phrases']):,}",
            f"{result['megabytes']:,.0f}",
        )
    Console().print(table)
    print("the same phrases, scores and text" if same else "the results DIFFER")
    sys.exit(not same)


if __name__ == "__main__":
    main()
