"""One training run of Spark's MLlib Word2Vec, as a process of its own: text in, vectors file out.

    python benchmarks/spark.py TEXT OUT.txt --partitions 2 --seed 1

Needs the package pyspark and Java 17. Spark trains skip-gram against a Huffman tree, as we do,
without subsampling, in `--partitions` tasks at once whose vectors it averages after each epoch.
Prints one line of JSON: the seconds of training alone (`fit`, which counts the words too) and the
version. `cluster.py` runs this.
"""

import argparse
import json
import time
from pathlib import Path


def main() -> None:
    from pyspark.ml.feature import Word2Vec
    from pyspark.sql import SparkSession, functions

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text")
    parser.add_argument("output", type=Path)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--min-count", type=int, default=5)
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    session = (
        SparkSession.builder.master(f"local[{o.partitions}]")
        .config("spark.driver.memory", "6g")
        .config("spark.driver.maxResultSize", "4g")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    lines = session.read.text(o.text).repartition(o.partitions)
    sentences = lines.select(functions.split("value", " ").alias("words")).cache()
    sentences.count()
    started = time.perf_counter()
    model = Word2Vec(
        vectorSize=o.dim,
        windowSize=o.window,
        minCount=o.min_count,
        maxIter=o.epochs,
        numPartitions=o.partitions,
        seed=o.seed,
        stepSize=0.025,
        maxSentenceLength=1000,
        inputCol="words",
        outputCol="vector",
    ).fit(sentences)
    seconds = time.perf_counter() - started
    found = model.getVectors().collect()
    counts = dict(
        sentences.select(functions.explode("words").alias("word")).groupBy("word").count().collect()
    )
    found.sort(key=lambda row: (-counts[row["word"]], row["word"]))
    with o.output.open("w") as out:
        out.write(f"{len(found)} {o.dim}\n")
        for row in found:
            out.write(row["word"] + " " + " ".join(map(repr, row["vector"].toArray().tolist())) + "\n")
    print(json.dumps({"training_seconds": seconds, "spark": session.version}))
    session.stop()


if __name__ == "__main__":
    main()
