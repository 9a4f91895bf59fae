"""One training run of one program, as a process of its own: text in, vectors file out.

    python benchmarks/trainers.py ours TEXT OUT.bin --epochs 1 --threads 2 --seed 1
    python benchmarks/trainers.py gensim TEXT OUT.bin --arch cbow
    python benchmarks/trainers.py gensim TEXT OUT.bin --negative 5

Prints one line of JSON: the seconds of training alone, without reading and exporting, and for ours
the mean loss of each epoch. `peers.py` runs these.
"""

import argparse
import json
import time


def ours(o) -> dict:
    import w2v_hs

    model = w2v_hs.train(
        o.text,
        arch=o.arch,
        loss=o.loss,
        dim=o.dim,
        window=o.window,
        epochs=o.epochs,
        min_count=o.min_count,
        threads=o.threads,
        seed=o.seed,
        subwords=o.subwords,
        replicas=o.replicas,
        **{} if o.usual else {"tree": o.tree, "sample": o.sample},
    )
    model.export(o.output, format="fasttext" if o.subwords else "word2vec-binary")
    return {
        "training_seconds": model.provenance["training_seconds"],
        "losses": model.losses,
        "predictions": model.provenance["predictions"],
    }


def gensim(o) -> dict:
    from gensim.models import Word2Vec

    model = Word2Vec(
        sg=int(o.arch == "skipgram"),
        hs=int(not o.negative),
        negative=o.negative,
        vector_size=o.dim,
        window=o.window,
        sample=o.sample,
        min_count=o.min_count,
        workers=o.threads,
        seed=o.seed,
        alpha=0.025 if o.arch == "skipgram" else 0.05,
    )
    model.build_vocab(corpus_file=o.text)
    started = time.perf_counter()
    model.train(
        corpus_file=o.text,
        total_words=model.corpus_total_words,
        total_examples=model.corpus_count,
        epochs=o.epochs,
    )
    seconds = time.perf_counter() - started
    model.wv.save_word2vec_format(o.output, binary=True)
    return {"training_seconds": seconds}


def fasttext(o) -> dict:
    import fasttext as library

    if o.subwords:  # with its own defaults for all else
        shortest, longest = o.subwords
        model = library.train_unsupervised(
            o.text,
            model=o.arch,
            loss=o.loss,
            dim=o.dim,
            epoch=o.epochs,
            minCount=o.min_count,
            thread=o.threads,
            minn=shortest,
            maxn=longest,
            verbose=0,
        )
        model.save_model(o.output)
        return {}
    started = time.perf_counter()
    model = library.train_unsupervised(
        o.text,
        model=o.arch,
        loss=o.loss,
        dim=o.dim,
        ws=o.window,
        epoch=o.epochs,
        minCount=o.min_count,
        t=o.sample or 1e9,
        thread=o.threads,
        maxn=0,
        bucket=0,
        verbose=0,
        lr=0.025 if o.arch == "skipgram" else 0.05,
    )
    seconds = time.perf_counter() - started
    words = model.get_words()
    with open(o.output, "wb") as out:  # noqa: PTH123
        out.write(f"{len(words)} {o.dim}\n".encode())
        for word in words:
            out.write(word.encode() + b" " + model.get_word_vector(word).tobytes() + b"\n")
    return {"training_seconds": seconds}  # reading and counting are in it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", choices=("ours", "gensim", "fasttext"))
    parser.add_argument("text")
    parser.add_argument("output")
    parser.add_argument("--arch", default="skipgram", choices=("skipgram", "cbow"))
    parser.add_argument("--loss", default="hs", choices=("hs", "softmax", "ns"))
    parser.add_argument("--tree", default="huffman")
    parser.add_argument("--usual", action="store_true", help="ours: tree and sample by default")
    parser.add_argument("--replicas", type=int, default=1, help="ours: runs that are merged")
    parser.add_argument("--negative", type=int, default=0, help="gensim: negative samples")
    parser.add_argument("--subwords", type=int, nargs=2, help="ours, fasttext: lengths of n-grams")
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=float, default=1e-3)
    parser.add_argument("--min-count", type=int, default=5)
    options = parser.parse_args()
    print(json.dumps(globals()[options.program](options)))


if __name__ == "__main__":
    main()
