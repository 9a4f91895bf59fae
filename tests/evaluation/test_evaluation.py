"""Evaluation: figures against gensim and against a slow oracle, counts, and faulty test sets."""

import io
import json
import math
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import binomtest, spearmanr

from w2v_hs.errors import EvaluationError, OptionError
from w2v_hs.evaluation.answering import MISSING, BlockSize, Usable, outcomes
from w2v_hs.evaluation.evaluation import evaluate
from w2v_hs.evaluation.tables import print_evaluation
from w2v_hs.evaluation.testsets import SETS
from w2v_hs.vectors.vectors import Vectors

CAPITALS = {"athens": "greece", "berlin": "germany", "paris": "france", "oslo": "norway"}


def datapath(name):
    from gensim.test.utils import datapath

    return datapath(name)


@pytest.fixture(scope="module")
def lee(gensim):
    """Vectors trained on a small corpus of news, words as written: "The", "the", "Australia"."""
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    model = Word2Vec(
        LineSentence(datapath("lee_background.cor")),
        vector_size=24,
        min_count=2,
        epochs=5,
        hs=1,
        negative=0,
        workers=1,
        seed=1,
    )
    return Vectors(model.wv.index_to_key, model.wv.vectors)


@pytest.fixture(scope="module")
def structured(gensim):
    """The words of the Google set in lower case, b - a = d - c up to noise; a tenth is missing."""
    rng = np.random.default_rng(5)
    rows = {}
    with Path(datapath("questions-words.txt")).open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(":"):
                offset = rng.normal(size=20)
                continue
            a, b, c, d = line.lower().split()
            for base, derived in ((a, b), (c, d)):
                rows.setdefault(base, rng.normal(size=20))
                rows.setdefault(derived, rows[base] + offset + rng.normal(size=20) * 0.5)
    words = [word for word in rows if rng.random() > 0.1]
    rng.shuffle(words)
    return Vectors(words, np.array([rows[word] for word in words], dtype=np.float32))


def keyed(vectors):
    from gensim.models import KeyedVectors

    result = KeyedVectors(vectors.dim)
    result.add_vectors(list(vectors.words), np.array(vectors.matrix))
    return result


def written(tmp_path, text, name="set.txt"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def analogies(vectors, path, **options):
    return evaluate(vectors, analogies=[path], similarity=[], **options).analogies[0]


def similarity(vectors, path, **options):
    return evaluate(vectors, analogies=[], similarity=[path], **options).similarity[0]


def rendered(result, width=110):
    stream = io.StringIO()
    print_evaluation(result, Console(file=stream, width=width))
    return stream.getvalue()


# --- against gensim ---------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["structured", "lee"])
@pytest.mark.parametrize("restrict", [500, 30_000])
@pytest.mark.parametrize("fold", [True, False])
def test_analogy_counts_are_those_of_gensim(request, which, restrict, fold):
    vectors = request.getfixturevalue(which)
    score, reference = keyed(vectors).evaluate_word_analogies(
        datapath("questions-words.txt"), restrict_vocab=restrict, case_insensitive=fold
    )
    computed = analogies(vectors, "google", restrict_vocab=restrict, case_insensitive=fold)
    counts = [(part.name, part.correct, part.seen) for part in computed.sections]
    assert counts == [
        (part["section"], len(part["correct"]), len(part["correct"]) + len(part["incorrect"]))
        for part in reference[:-1]  # the last one is the sum
    ]
    assert computed.seen == sum(seen for _, _, seen in counts)
    assert (computed.accuracy or 0.0) == score
    assert computed.total == 19_544
    if which == "structured" and restrict == 30_000 and fold:  # the comparison is of substance
        assert 0.1 < computed.accuracy < 0.9
        assert 5_000 < computed.seen < 19_544


def test_both_conventions_of_the_google_set_are_those_of_gensim(structured, tmp_path):
    """Of 31,000 words a few that are asked for, and many that might be answers, are beyond 30,000.

    "The", "tHe" ... stand for words that come in several forms.
    """
    rng = np.random.default_rng(8)
    forms = [word.title() for word in structured.words[::7]]
    others = [f"other{number}" for number in range(31_000 - len(structured) - len(forms))]
    places = rng.permutation(31_000)
    matrix = np.empty((31_000, 20), dtype=np.float32)
    near = structured.matrix[rng.integers(len(structured), size=len(forms) + len(others))]
    matrix[places] = np.concatenate([structured.matrix, near + rng.normal(size=near.shape)])
    words = np.empty(31_000, dtype=object)
    words[places] = [*structured.words, *forms, *others]
    vectors = Vectors(words.tolist(), matrix)

    lines = Path(datapath("questions-words.txt")).read_text(encoding="utf-8").splitlines()
    kept = [line for n, line in enumerate(lines) if line.startswith(":") or n % 40 == 0]
    path = written(tmp_path, "\n".join(kept))
    for fold in (True, False):
        result = evaluate(
            vectors, analogies=path, similarity=(), restrict_vocab=(30_000, 300_000), case_insensitive=fold
        )
        for done, restrict in zip(result.analogies, (30_000, 300_000), strict=True):
            score, reference = keyed(vectors).evaluate_word_analogies(
                str(path), restrict_vocab=restrict, case_insensitive=fold
            )
            counts = [(len(part["correct"]), len(part["incorrect"])) for part in reference]
            assert [(part.correct, part.seen - part.correct) for part in done.sections] == (counts[:-1])
            for whole, parts in (done.semantic, counts[:5]), (done.syntactic, counts[5:-1]):
                assert whole.correct == sum(correct for correct, _ in parts)
                assert whole.seen == sum(map(sum, parts))
            assert (done.correct, done.seen, done.accuracy) == (counts[-1][0], sum(counts[-1]), score)
            assert (done.restrict_vocab, done.case_insensitive) == (restrict, fold)
            assert done.convention == ({30_000: "word2vec.c", 300_000: "gensim"}[restrict] * fold or None)
        fewer, more = result.analogies
        assert fewer.seen < more.seen < more.total == fewer.total
        assert result.restrict_vocab == [30_000, 300_000]


@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`")  # gensim calls it itself
@pytest.mark.parametrize("which", ["structured", "lee"])
def test_3cosmul_is_that_of_gensim(request, tmp_path, which):
    """gensim has it for single questions: the best of its answers that is a new word."""
    vectors, reference = request.getfixturevalue(which), keyed(request.getfixturevalue(which))
    known, asked = set(vectors.words), []
    with Path(datapath("questions-words.txt")).open(encoding="utf-8") as lines:
        for line in lines:
            words = line.lower().split()
            if set(words) <= known:
                asked.append(words)
    asked = asked[:: max(1, len(asked) // 300)]
    assert len(asked) > 20
    correct = [
        reference.most_similar_cosmul(positive=[b, c], negative=[a], topn=1)[0][0] == d
        for a, b, c, d in asked
    ]
    path = written(tmp_path, "\n".join(map(" ".join, asked)))
    done = analogies(vectors, path, method="3cosmul", case_insensitive=False)
    assert (done.correct, done.seen) == (sum(correct), len(asked))
    assert done.method == "3cosmul"
    if which == "structured":
        assert 0 < done.correct < done.seen
        assert done.correct != analogies(vectors, path, case_insensitive=False).correct


@pytest.mark.parametrize("name", list(SETS["similarity"]))
@pytest.mark.parametrize("fold", [True, False])
def test_correlations_are_those_of_gensim(lee, name, fold):
    path = datapath(SETS["similarity"][name])
    pearson, spearman, missing = keyed(lee).evaluate_word_pairs(path, case_insensitive=fold)
    computed = similarity(lee, name, case_insensitive=fold)
    assert computed.pearson == pytest.approx(pearson[0], abs=1e-5)
    assert computed.spearman == pytest.approx(spearman[0], abs=1e-4)  # a near tie may swap
    assert 100 * (1 - computed.used / computed.total) == pytest.approx(missing)
    assert 20 < computed.used < computed.total == {"wordsim353": 353, "simlex999": 999}[name]


def test_ties_and_duplicates_of_pairs(gensim, tmp_path):
    """Equal cosines tie to the bit, a pair counts as often as it stands there."""
    rng = np.random.default_rng(6)
    words = [f"w{number}" for number in range(12)]
    vectors = Vectors(words, rng.normal(size=(12, 30)).astype(np.float32))
    rows = [(a, b, rng.integers(4)) for a, b in rng.choice(words, size=(60, 2))]
    rows += [(word, word, rng.integers(4)) for word in words]  # 1, all of them
    rows += [(b, a, rating) for a, b, rating in rows[:30]] + rows[:10]
    path = written(tmp_path, "".join(f"{a}\t{b}\t{rating}\n" for a, b, rating in rows))
    done = similarity(vectors, path)
    unit = vectors.matrix / np.linalg.norm(vectors.matrix, axis=1, keepdims=True)
    exact = np.round((unit.astype(float) @ unit.T.astype(float)), 6)
    cosines = [exact[int(a[1:]), int(b[1:])] for a, b, _ in rows]
    expected = spearmanr([rating for *_, rating in rows], cosines).statistic
    assert (done.used, done.total) == (len(rows), 112)
    assert done.spearman == pytest.approx(expected, abs=1e-12)
    reference = keyed(vectors).evaluate_word_pairs(str(path), case_insensitive=False)
    assert done.pearson == pytest.approx(reference[0][0], abs=1e-6)
    once = similarity(
        vectors,
        written(tmp_path, "".join(f"{a}\t{b}\t{rating}\n" for a, b, rating in rows[:-10]), "once.txt"),
    )
    assert once.spearman != done.spearman


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_intervals_and_coverage_stand_beside_each_figure(lee, confidence):
    result = evaluate(lee, confidence=confidence, seed=4)
    whole = result.analogies[0]
    for part in (whole, whole.semantic, whole.syntactic, *whole.sections):
        assert part.coverage == part.seen / part.total
        assert (part.interval is None) == (part.seen == 0)
        if part.seen:
            expected = binomtest(part.correct, part.seen).proportion_ci(confidence, "wilson")
            assert part.interval == (expected.low, expected.high)
    for counts in ("correct", "seen", "total"):
        halves = getattr(whole.semantic, counts), getattr(whole.syntactic, counts)
        assert sum(halves) == getattr(whole, counts)
    for done in result.similarity:
        assert done.coverage == done.used / done.total
        low, high = done.spearman_interval
        assert low < done.spearman < high
        low, high = done.pearson_interval
        assert low < done.pearson < high
    assert (result.confidence, result.resamples, result.seed) == (confidence, 2_000, 4)
    assert evaluate(lee, confidence=confidence, seed=4) == result
    assert evaluate(lee, confidence=confidence, seed=5) != result


def test_several_sets_methods_and_restrictions_at_once(lee, tmp_path):
    other = written(tmp_path, "the a in of\n", "other.txt")
    result = evaluate(
        lee,
        analogies=["google", other],
        similarity=["simlex999", "wordsim353"],
        method=("3cosmul", "3cosadd"),
        restrict_vocab=(500, None, 0),
    )
    assert [(one.name, one.method, one.restrict_vocab) for one in result.analogies] == [
        (name, method, limit)
        for name in ("google", str(other))
        for method in ("3cosmul", "3cosadd")
        for limit in (500, None)
    ]
    for one in result.analogies:
        alone = analogies(lee, one.name, method=one.method, restrict_vocab=one.restrict_vocab)
        assert alone == one
    assert result.analogies[-1].semantic is result.analogies[-1].syntactic is None
    assert [one.name for one in result.similarity] == ["simlex999", "wordsim353"]


@pytest.mark.parametrize("method", ["cosadd", (), ("3cosadd", "x"), 3, None, [["3cosadd"]]])
def test_a_method_is_one_of_two(method):
    with pytest.raises(OptionError, match=r"method is .*; expected 3cosadd or 3cosmul"):
        evaluate(capitals(), method=method)


def test_pairs_use_all_words_and_questions_only_the_most_frequent(lee):
    few = evaluate(lee, restrict_vocab=200)
    many = evaluate(lee, restrict_vocab=None)
    assert few.similarity == many.similarity
    assert few.analogies[0].seen < many.analogies[0].seen
    assert (few.restrict_vocab, many.restrict_vocab) == (200, None)
    assert evaluate(lee, restrict_vocab=0) == many


# --- against an oracle in plain Python --------------------------------------------------------


def naive_counts(words, matrix, questions, restrict, fold, method):
    """Correct and seen, in float64, one candidate at a time."""

    def cosine(x, y):
        return sum(u * v for u, v in zip(x, y, strict=True))

    def score(d, a, b, c):
        near = [cosine(d, word) for word in (a, b, c)]
        if method == "3cosadd":
            return near[1] - near[0] + near[2]
        near = [(1 + value) / 2 for value in near]
        return near[1] * near[2] / (near[0] + 1e-6)

    folded = [fold(word) for word in words]
    unit = {}
    for row, values in enumerate(matrix[:restrict]):
        norm = math.sqrt(sum(float(x) ** 2 for x in values))
        if math.isfinite(norm) and norm > 0:
            unit[row] = [float(x) / norm for x in values]
    correct = seen = 0
    for question in questions:
        found = [next((row for row in unit if folded[row] == fold(word)), None) for word in question]
        if None in found:
            continue
        seen += 1
        a, b, c = (unit[row] for row in found[:3])
        best, highest = None, -math.inf
        for row, values in unit.items():
            if folded[row] in map(fold, question[:3]):
                continue
            if (reached := score(values, a, b, c)) > highest:
                best, highest = folded[row], reached
        correct += best == fold(question[3])
    return correct, seen


@pytest.mark.parametrize("restrict", [None, 25, 3, 1])
@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
@pytest.mark.parametrize("seed", range(2))
def test_analogies_of_random_words_agree_with_the_oracle(seed, method, fold, restrict):
    rng = np.random.default_rng(seed)
    # Three letters in all forms: "abc", "aBc" ... seven forms of the same word may be in the way.
    letters = ["".join(rng.choice(list("abAB"), size=3)) for _ in range(200)]
    words = list(dict.fromkeys(letters))
    matrix = rng.normal(size=(len(words), 3)).astype(np.float32)
    matrix[[2, 7]] = 0
    matrix[11, 1] = np.nan
    questions = [rng.choice([*words, "missing"], size=4).tolist() for _ in range(400)]
    usable = Usable.of(Vectors(words, matrix), case_insensitive=fold)
    # Many blocks, the last ones short; the table of asked words narrows them further.
    block = BlockSize(questions=37, candidates=11, table_values=300)
    computed = outcomes(usable, questions, restrict, method, block)
    reference = naive_counts(words, matrix, questions, restrict, str.upper if fold else str, method)
    assert ((computed == 1).sum(), (computed != MISSING).sum()) == reference
    assert len(computed) == 400
    if restrict is None:
        assert (computed == 1).any()


# --- meaning of the options -------------------------------------------------------------------


def capitals(order=None, **special):
    """Capital + (0, 0, 0, 0, 1) = country, for each of `CAPITALS`; `special` adds other words."""
    rows = {}
    for axis, (capital, country) in enumerate(CAPITALS.items()):
        rows[capital] = np.eye(5)[axis]
        rows[country] = np.eye(5)[axis] + np.eye(5)[4]
    rows |= special
    words = order or list(rows)
    return Vectors(words, np.array([rows[word] for word in words], dtype=np.float32))


def test_restriction_holds_for_questions_and_for_answers(tmp_path):
    path = written(tmp_path, ": s\nathens greece berlin germany\nathens greece oslo norway\n")
    near = {"thief": np.array([-0.6, 0, 0, 1, 0.9])}  # nearer to norway than norway itself
    order = ["thief", *(word for pair in CAPITALS.items() for word in pair)]
    hit = analogies(capitals(**near), path, restrict_vocab=8)  # "thief" is the ninth word
    assert (hit.correct, hit.seen, hit.total) == (2, 2, 2)
    stolen = analogies(capitals(order, **near), path, restrict_vocab=9)
    assert (stolen.correct, stolen.seen, stolen.total) == (1, 2, 2)
    cut = analogies(capitals(**near), path, restrict_vocab=7)  # without "norway"
    assert (cut.correct, cut.seen, cut.total) == (1, 1, 2)


def test_the_most_frequent_form_of_a_word_is_taken(tmp_path):
    path = written(tmp_path, "Athens Greece Berlin Germany\n")
    wrong = np.array([0, 0, 1.0, 0, 0])
    words = list(capitals().words)
    last = analogies(capitals([*words, "GREECE"], GREECE=wrong), path)
    first = analogies(capitals(["GREECE", *words], GREECE=wrong), path)
    exact = analogies(capitals([*words, "GREECE"], GREECE=wrong), path, case_insensitive=False)
    assert [(part.correct, part.seen) for part in (last, first, exact)] == [(1, 1), (0, 1), (0, 0)]


def test_case_of_pairs(tmp_path):
    path = written(tmp_path, "Athens\tgreece\t9\nathens\tberlin\t1\nOSLO\tnorway\t8\n")
    assert similarity(capitals(), path).used == 3
    assert similarity(capitals(), path, case_insensitive=False).used == 1
    result = evaluate(capitals(), analogies=(), similarity=path, case_insensitive=False)
    assert result.case_insensitive is False
    assert "as written" in rendered(result)


def test_the_form_of_a_pair_word_is_the_most_frequent(tmp_path):
    path = written(tmp_path, "athens\tgreece\t9\nathens\tberlin\t1\nathens\tparis\t2\n")
    words = capitals().words
    opposite = {"ATHENS": -np.eye(5)[0]}
    last = similarity(capitals([*words, "ATHENS"], **opposite), path)
    first = similarity(capitals(["ATHENS", *words], **opposite), path)
    assert last.pearson > 0.9
    assert first.pearson < -0.9


def test_a_model_is_judged_by_its_vectors(tmp_path):
    path = written(tmp_path, "athens greece berlin germany\n")
    model = SimpleNamespace(vectors=capitals())
    assert analogies(model, path) == analogies(capitals(), path)
    with pytest.raises(TypeError, match="found dict; expected a model or Vectors"):
        evaluate(dict(zip(capitals().words, capitals().matrix, strict=True)))


@pytest.mark.parametrize("restrict", [-1, "x", 1.5, True, False, (30, -1), ["x"]])
def test_a_restriction_is_a_whole_number(restrict):
    with pytest.raises(OptionError, match=r"restrict_vocab=.*: expected a whole number"):
        evaluate(capitals(), analogies=(), similarity=(), restrict_vocab=restrict)


def test_a_restriction_may_be_an_integer_of_numpy(tmp_path):
    path = written(tmp_path, "athens greece berlin germany\n")
    result = evaluate(capitals(), analogies=path, similarity=(), restrict_vocab=np.int64(5))
    assert json.loads(result.to_json())["restrict_vocab"] == 5


def test_padded_rows_and_extreme_lengths_change_nothing(tmp_path):
    path = written(tmp_path, "athens greece berlin germany\nathens greece oslo norway\n")
    pairs = written(tmp_path, "athens greece 9\nathens berlin 1\noslo norway 8\n", "pairs.txt")
    plain = capitals()
    padded = np.full((len(plain), 16), np.nan, dtype=np.float32)
    lengths = np.resize(np.float32([1e30, 1e-30, 3]), len(plain))  # their squares leave float32
    padded[:, :5] = plain.matrix * lengths[:, None]
    scaled = Vectors(plain.words, padded[:, :5])
    assert analogies(scaled, path) == analogies(plain, path)
    assert analogies(plain, path).correct == 2
    expected = similarity(plain, pairs)
    assert similarity(scaled, pairs).pearson == pytest.approx(expected.pearson, abs=1e-6)
    assert expected.used == 3


# --- faults -----------------------------------------------------------------------------------


def test_nothing_usable_is_none_and_says_so(tmp_path):
    questions = written(tmp_path, ": odd\n" + "w x y z\n" * 203)
    pairs = written(tmp_path, "w\tx\t1\n" * 40, "pairs.tsv")
    result = evaluate(capitals(), analogies=[questions], similarity=[pairs])
    none = {"correct": 0, "seen": 0, "total": 203, "accuracy": None, "interval": None}
    assert result.as_dict()["analogies"][0] == {
        "name": str(questions),
        **none,
        "coverage": 0.0,
        "sections": [{"name": "odd", **none, "coverage": 0.0}],
        "semantic": None,
        "syntactic": None,
        "method": "3cosadd",
        "restrict_vocab": 30_000,
        "case_insensitive": True,
        "convention": "word2vec.c",
    }
    assert result.as_dict()["similarity"] == [
        {
            "name": str(pairs),
            **dict.fromkeys(["spearman", "spearman_interval", "pearson", "pearson_interval"]),
            "used": 0,
            "from_subwords": 0,
            "total": 40,
            "coverage": 0.0,
            "columns": None,
        }
    ]
    assert '"accuracy": null' in result.to_json()
    assert "NaN" not in result.to_json()
    text = rendered(result)
    rows = [" ".join(line.split("│")[2:-1]).split() for line in text.splitlines() if "│" in line]
    assert rows[:3] == [["0", "0", "203", "0.0%", "-", "-"]] * 2 + [["-", "-", "-", "-", "0", "40"]]
    assert "-: none is usable" in text


def test_no_words_at_all(tmp_path):
    path = written(tmp_path, "w x y z\n")
    empty = Vectors([], np.zeros((0, 4), dtype=np.float32))
    assert analogies(empty, path).accuracy is None
    assert similarity(empty, written(tmp_path, "a b 1\n", "pairs.txt")).used == 0


@pytest.mark.parametrize(
    ("text", "used"),
    [("athens greece 3\n", 1), ("athens greece 3\nathens berlin 3\noslo paris 3\n", 3)],
    ids=["one pair", "equal ratings"],
)
def test_undefined_correlation_is_none_without_a_warning(tmp_path, text, used):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = evaluate(capitals(), analogies=[], similarity=[written(tmp_path, text)])
    done = result.similarity[0]
    assert (done.pearson, done.spearman, done.used) == (None, None, used)
    assert rendered(result).count(" undefined │") == 2


def test_missing_words_are_counted_by_section(tmp_path):
    path = written(
        tmp_path,
        ": first part\nathens greece berlin germany\nathens greece rome italy\n"
        ": second\nathens greece x y\n: empty\n",
    )
    computed = analogies(capitals(), path)
    assert [(part.name, part.correct, part.seen, part.total) for part in computed.sections] == [
        ("first part", 1, 1, 2),
        ("second", 0, 0, 1),
        ("empty", 0, 0, 0),
    ]
    assert (computed.correct, computed.seen, computed.total, computed.accuracy) == (1, 1, 3, 1.0)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_zero_and_non_finite_vectors_are_left_out_and_counted(tmp_path, bad):
    questions = written(tmp_path, "athens greece berlin germany\nathens greece oslo norway\n")
    pairs = written(tmp_path, "athens greece 9\nathens berlin 1\noslo norway 8\n", "pairs.txt")
    # "ATHENS" comes first and has no vector to speak of: "athens" stands in for it.
    special = {"norway": np.full(5, bad), "ATHENS": np.full(5, bad)}
    vectors = capitals(["ATHENS", *capitals().words], **special)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = evaluate(vectors, analogies=[questions], similarity=[pairs])
    assert result.left_out_vectors == 2
    done = result.analogies[0]
    assert (done.correct, done.seen, done.total) == (1, 1, 2)
    assert (result.similarity[0].used, result.similarity[0].total) == (2, 3)
    assert math.isfinite(result.similarity[0].pearson)
    assert "Left out: 2 zero or non-finite vectors." in rendered(result)
    assert "Left out" not in rendered(evaluate(capitals(), analogies=[], similarity=[]))


def test_left_out_words_keep_their_rank(tmp_path):
    """The 3 most frequent words are the same 3 whether or not one of them is a zero vector."""
    path = written(tmp_path, "athens greece berlin germany\n")
    words = ["nothing", "athens", "greece", "berlin", "germany"]
    vectors = capitals(words, nothing=np.zeros(5))
    assert analogies(vectors, path, restrict_vocab=4).seen == 0
    assert analogies(vectors, path, restrict_vocab=5).seen == 1
    of_all = evaluate(vectors, analogies=path, similarity=(), restrict_vocab=4)
    assert of_all.left_out_vectors == 1


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("athens greece berlin", "'athens greece berlin'"),
        ("athens greece berlin germany europe", "'athens greece berlin germany europe'"),
        (":", "':'"),
        (":family", "':family'"),
        ("# a remark", "'# a remark'"),
        ("x" * 100, repr("x" * 57 + "...")),
    ],
)
def test_a_malformed_question_is_an_error_with_its_line(tmp_path, line, found):
    path = written(tmp_path, f": s\n\nathens greece berlin germany\n{line}\n")
    with pytest.raises(EvaluationError) as raised:
        evaluate(capitals(), analogies=[path])
    assert str(raised.value) == (f"{path}:4: found {found}; expected four words, or ': ' and a name")


@pytest.mark.parametrize(
    "line",
    [
        "athens\tgreece",
        "athens\tgreece\tmuch",
        "athens\tgreece\tnan",
        "athens\tgreece\tinf",
        "athens\tgreece\t1e999",
        "athens\tgreece\t1_0",
        "athens\tgreece\t１",
        "athens\tgreece\t٣",
        "athens\tgreece\t.",
        "athens\tgreece\t3\t4",
        "athens\t\t3",
        "athens,greece,3,5",
        "athens greece",
        "Word 1\tWord 2\tmean",
    ],
)
def test_a_malformed_pair_is_an_error_with_its_line(tmp_path, line):
    path = written(tmp_path, f"# heading\nathens\tberlin\t1\n{line}\n")
    with pytest.raises(EvaluationError) as raised:
        evaluate(capitals(), analogies=[], similarity=[path])
    assert str(raised.value) == (
        f"{path}:3: found {line!r}; expected two words and a number, or '#' before a heading"
    )


@pytest.mark.parametrize("kind", ["analogies", "similarity"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ": found no"),
        (b"\n \n", ": found no"),
        (b"\n\nathens \xe9", ":3: found byte 0xe9; expected UTF-8"),
        (None, ": no such file; for {kind} expected the path of a file or {names}"),
    ],
    ids=["empty", "blank", "latin-1", "missing"],
)
def test_unusable_files_are_errors_of_one_line(tmp_path, kind, content, message):
    path = tmp_path / "set.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EvaluationError) as raised:
        evaluate(capitals(), **{"analogies": [], "similarity": [], kind: [path]})
    names = " or ".join(SETS[kind])
    assert str(raised.value).startswith(f"{path}{message.format(kind=kind, names=names)}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["analogies", "similarity"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("n" * 300, "/" + "n" * 300 + ": File name too long; for "),
        ("a\0b", r"/a\x00b: embedded null byte; for "),
        ("two\nlines", r"/two\nlines: no such file; for "),
    ],
    ids=["long", "NUL", "newline"],
)
def test_names_that_no_file_has(tmp_path, kind, name, message):
    with pytest.raises(EvaluationError) as raised:
        evaluate(capitals(), **{"analogies": [], "similarity": [], kind: tmp_path / name})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["analogies", "similarity"])
def test_a_message_is_one_line_whatever_the_name(tmp_path, kind):
    for content in ("\n", "x\n", b"\xff", "\0"):
        path = written(tmp_path, content, "two\nlines.txt")
        with pytest.raises(EvaluationError, match=r"two\\nlines.txt:.*found") as raised:
            evaluate(capitals(), **{"analogies": [], "similarity": [], kind: path})
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["analogies", "similarity"])
def test_nul_is_an_error_with_its_line(tmp_path, kind):
    line = {"analogies": "athens greece ber\0lin x", "similarity": "ath\0ens greece 3"}[kind]
    with pytest.raises(EvaluationError, match=r"set.txt:2: found NUL"):
        evaluate(capitals(), **{"analogies": [], "similarity": [], kind: written(tmp_path, f"\n{line}\n")})


@pytest.mark.parametrize("kind", ["analogies", "similarity"])
def test_a_folder_is_an_error(tmp_path, kind):
    with pytest.raises(EvaluationError, match=r"cannot be read: Is a directory"):
        evaluate(capitals(), **{kind: [tmp_path]})


def test_names_and_headings_stay_whole_on_80_columns(tmp_path):
    sections = ["gram6-nationality-adjective", "another-one-with-words-unknown"]
    lines = [f": {sections[0]}\nathens greece berlin germany\n", f": {sections[1]}\nw x y z\n"]
    path = written(tmp_path, "".join(lines), "a-long-name-of-questions.txt")
    result = evaluate(capitals(), analogies=path, similarity=[])
    for text in (*sections, f"Analogies: {path}, 3CosAdd\n"):
        assert text in rendered(result, width=80)
    assert "coverage" in rendered(result, width=100)


def test_sections_or_comments_alone_are_no_test_set(tmp_path):
    with pytest.raises(EvaluationError, match=r"set\.txt: found no question; expected lines of"):
        analogies(capitals(), written(tmp_path, ": a\n: b\n"))
    with pytest.raises(EvaluationError, match=r"set\.txt: found no pair; expected lines of two"):
        similarity(capitals(), written(tmp_path, "# a\n# b\n"))


# --- forms of files ---------------------------------------------------------------------------


def test_questions_before_a_section_are_named_after_the_file(tmp_path):
    path = written(tmp_path, "athens greece berlin germany\n: later\nathens greece oslo norway\n")
    names = [part.name for part in analogies(capitals(), path).sections]
    assert names == ["set", "later"]


def test_a_word_that_begins_with_a_colon_opens_no_section(tmp_path):
    done = analogies(capitals(), written(tmp_path, ": faces\n:) happy :( sad\n"))
    assert [(part.name, part.total) for part in done.sections] == [("faces", 1)]


@pytest.mark.parametrize("separator", ["\t", ",", " , ", " ", "   "])
@pytest.mark.parametrize(("start", "end"), [("", "\n"), ("\ufeff", "\r\n")])
def test_pairs_may_be_separated_by_tabs_commas_or_spaces(tmp_path, separator, start, end):
    rows = [("athens", "greece", "9"), ("athens", "berlin", "1"), ("oslo", "norway", "1e1")]
    path = written(tmp_path, start + "".join(separator.join(row) + end for row in rows))
    computed = similarity(capitals(), path)
    assert (computed.used, computed.total) == (3, 3)
    assert computed.pearson == pytest.approx(np.corrcoef([9, 1, 10], [1, 0, 1])[0, 1], abs=1e-6)


def test_a_phrase_between_tabs_is_a_word(tmp_path):
    path = written(tmp_path, "new  york\tathens\t3\nathens\tberlin\t1\noslo\tnorway\t5\n")
    vectors = capitals(**{"new york": np.ones(5)})
    assert (similarity(capitals(), path).used, similarity(vectors, path).used) == (2, 3)


# --- results ----------------------------------------------------------------------------------


def test_json_has_exactly_the_documented_keys(lee):
    result = evaluate(lee, restrict_vocab=2_000)
    data = json.loads(result.to_json())
    assert data == result.as_dict()
    assert list(data) == [
        "analogies",
        "similarity",
        "restrict_vocab",
        "case_insensitive",
        "left_out_vectors",
        "confidence",
        "resamples",
        "seed",
    ]
    section = ["name", "correct", "seen", "total", "accuracy", "interval", "coverage"]
    groups = ["sections", "semantic", "syntactic"]
    way = ["method", "restrict_vocab", "case_insensitive", "convention"]
    assert [list(one) for one in data["analogies"]] == [[*section, *groups, *way]]
    whole = data["analogies"][0]
    for part in (*whole["sections"], whole["semantic"], whole["syntactic"]):
        assert list(part) == section
    figures = ["spearman", "spearman_interval", "pearson", "pearson_interval"]
    pairs = ["name", *figures, "used", "from_subwords", "total", "coverage", "columns"]
    assert [list(one) for one in data["similarity"]] == [pairs, pairs]
    assert [one["name"] for one in data["similarity"]] == ["wordsim353", "simlex999"]
    assert (data["restrict_vocab"], data["case_insensitive"]) == (2_000, True)
    done = result.analogies[0]
    assert done.accuracy == done.correct / done.seen == data["analogies"][0]["accuracy"]


def test_tables_show_every_count(gensim, tmp_path):
    questions = written(
        tmp_path, ": [red]one\n" + "athens greece oslo norway\n" * 2 + "athens greece paris x\n"
    )
    result = evaluate(capitals(), analogies=questions, restrict_vocab=1_000, similarity="wordsim353")
    text = rendered(result, width=200)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    part = ["2", "2", "3", "66.7%", "100.0%", "34.2% to 100.0%"]
    assert ["[red]one", *part] in rows
    assert ["all sections", *part] in rows
    assert ["wordsim353", "-", "-", "-", "-", "0", "353"] in rows
    assert "Questions and answers: the 1,000 most frequent words." in text
    assert "Case: ignored." in text
    unrestricted = evaluate(capitals(), analogies=questions, restrict_vocab=None, similarity=())
    assert "Questions and answers: all words." in rendered(unrestricted)
