"""Several models side by side: what they share, what is tested, what is shown."""

import io
import json

import naive
import numpy as np
import pytest
from rich.console import Console
from scipy import stats

import w2v_hs
from w2v_hs.errors import EvaluationError, OptionError
from w2v_hs.evaluation.comparison import compare
from w2v_hs.evaluation.evaluation import evaluate
from w2v_hs.evaluation.tables import print_comparison
from w2v_hs.vectors.formats import save_vectors
from w2v_hs.vectors.vectors import Vectors

WORDS = [f"w{number}" for number in range(60)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """80 questions of even and odd words, 120 of any words, and 150 rated pairs."""
    folder, rng = tmp_path_factory.mktemp("sets"), np.random.default_rng(1)
    places = [rng.choice(30, size=2, replace=False) for _ in range(80)]
    even = [f"w{2 * i} w{2 * i + 1} w{2 * j} w{2 * j + 1}" for i, j in places]
    any_words = [" ".join(rng.choice(WORDS, size=4, replace=False)) for _ in range(120)]
    lines = [": people", *even, ": gram1-plural", *any_words]
    (folder / "questions.txt").write_text("\n".join(lines))
    rated = [
        "\t".join([*rng.choice(WORDS, size=2, replace=False), f"{rng.integers(11)}"]) for _ in range(150)
    ]
    (folder / "pairs.tsv").write_text("\n".join(rated))
    return folder


@pytest.fixture(scope="module")
def options(files):
    return {"analogies": files / "questions.txt", "similarity": files / "pairs.tsv"}


@pytest.fixture(scope="module")
def models():
    """Three models of few dimensions, which are right now and then; the last lacks ten words.

    In the second an odd word is the even one before it plus much the same.
    """
    rng = np.random.default_rng(2)
    plain = rng.normal(size=(60, 3))
    fitted = plain.copy()
    fitted[1::2] = fitted[::2] + [0, 0, 2] + rng.normal(size=(30, 3)) * 0.1
    return {
        "plain": Vectors(WORDS, plain),
        "fitted": Vectors(WORDS, fitted),
        "small": Vectors(WORDS[10:], rng.normal(size=(50, 3))),
    }


def answers(vectors, path):
    """Whether each question is answered rightly, None where it cannot be: one file a question."""
    results = []
    for line in path.read_text().splitlines():
        if not line.startswith(":"):
            single = path.with_name("single.txt")
            single.write_text(line)
            done = evaluate(vectors, analogies=single, similarity=()).analogies[0]
            results.append(bool(done.correct) if done.seen else None)
    return results


def test_models_are_compared_on_the_questions_that_all_can_answer(models, files, options):
    result = compare(models, **options)
    given = {name: answers(model, files / "questions.txt") for name, model in models.items()}
    for part, first, last in (None, 0, 200), ("semantic", 0, 80), ("syntactic", 80, 200):
        (done,) = [one for one in result.compared if one.figure == "accuracy" and one.part == part]
        rows = list(zip(*(given[name][first:last] for name in models), strict=True))
        known = [row for row in rows if None not in row]
        assert (done.used, done.total) == (len(known), last - first)
        assert 0 < done.used < done.total
        assert [one.model for one in done.models] == list(models)
        for number, one in enumerate(done.models):
            right = sum(row[number] for row in known)
            assert one.value == right / len(known)
            assert one.interval == pytest.approx(naive.wilson(right, len(known), 0.95))
            assert one.answered == sum(row[number] is not None for row in rows)
        for one in done.differences:
            i, j = list(models).index(one.first), list(models).index(one.second)
            only = [sum(row[x] and not row[y] for row in known) for x, y in ((i, j), (j, i))]
            assert [one.only_first, one.only_second] == only
            assert one.p == pytest.approx(naive.mcnemar(*only))
            assert one.difference == pytest.approx((only[1] - only[0]) / len(known))
            assert one.interval[0] <= one.difference <= one.interval[1]
            assert one.p_holm >= one.p
        assert [(one.first, one.second) for one in done.differences] == [
            ("plain", "fitted"),
            ("plain", "small"),
            ("fitted", "small"),
        ]


def test_models_are_compared_on_the_pairs_that_all_know(models, files, options):
    done = compare(models, **options).compared[-1]
    rows = [line.split("\t") for line in (files / "pairs.tsv").read_text().splitlines()]
    known = [(a, b, float(r)) for a, b, r in rows if {a, b} <= set(WORDS[10:])]
    ratings = np.array([rating for *_, rating in known])
    cosines = [np.array([m.similarity(a, b) for a, b, _ in known]) for m in models.values()]
    assert (done.used, done.total, done.figure) == (len(known), 150, "spearman")
    assert 50 < done.used < 150
    for one, found in zip(done.models, cosines, strict=True):
        assert one.value == pytest.approx(stats.spearmanr(ratings, found).statistic, abs=1e-9)
    # A paired bootstrap by hand, with other random numbers.
    rng = np.random.default_rng(9)
    first, second = cosines[:2]
    drawn = [
        stats.spearmanr(ratings[rows], second[rows]).statistic
        - stats.spearmanr(ratings[rows], first[rows]).statistic
        for rows in rng.integers(len(known), size=(1_000, len(known)))
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    computed = done.differences[0]
    assert computed.difference == pytest.approx(done.models[1].value - done.models[0].value)
    assert computed.interval == pytest.approx((low, high), abs=0.1 * (high - low))
    share = 2 * min(np.mean(np.array(drawn) <= 0), np.mean(np.array(drawn) >= 0))
    assert computed.p == pytest.approx(share, abs=0.06)
    assert (computed.only_first, computed.only_second) == (None, None)


def test_a_model_does_not_differ_from_itself(models, options):
    result = compare([("a", models["plain"]), ("b", models["plain"])], **options)
    for done in result.compared:
        (one,) = done.differences
        assert (one.difference, one.interval, one.p, one.p_holm) == (0, (0, 0), 1, 1)
        assert done.models[0].value == done.models[1].value


def test_a_real_difference_is_seen_and_has_a_direction(models, options):
    there = compare([("a", models["plain"]), ("b", models["fitted"])], **options).compared[1]
    back = compare([("b", models["fitted"]), ("a", models["plain"])], **options).compared[1]
    assert there.part == back.part == "semantic"
    forward, backward = there.differences[0], back.differences[0]
    assert forward.difference > 0 and forward.p < 0.001 and forward.interval[0] > 0
    assert backward.difference == -forward.difference and backward.p == forward.p


def test_pairing_sees_what_separate_intervals_do_not(tmp_path):
    """Two models that err on the same pairs: their intervals overlap, their difference is sure."""
    rng = np.random.default_rng(4)
    angles = rng.uniform(0, np.pi, 200)
    rows = [f"a{n}\tb{n}\t{np.cos(angles[n]) + rng.normal()}" for n in range(200)]
    (tmp_path / "pairs.tsv").write_text("\n".join(rows))

    def model(spread):
        seen = angles + spread * rng.normal(size=200)
        first = np.tile([1.0, 0.0], (200, 1))
        second = np.stack([np.cos(seen), np.sin(seen)], axis=1)
        words = [f"a{n}" for n in range(200)] + [f"b{n}" for n in range(200)]
        return Vectors(words, np.concatenate([first, second]))

    done = compare(
        {"good": model(0), "worse": model(0.4)}, analogies=(), similarity=tmp_path / "pairs.tsv"
    ).compared[0]
    good, worse = done.models
    assert worse.interval[1] > good.interval[0]
    assert done.differences[0].p < 0.05 and done.differences[0].interval[1] < 0


def test_nothing_in_common_is_none_and_says_so(options):
    rng = np.random.default_rng(3)
    result = compare(
        {
            "a": Vectors(WORDS[:30], rng.normal(size=(30, 3))),
            "b": Vectors(WORDS[30:], rng.normal(size=(30, 3))),
        },
        **options,
    )
    for done in result.compared:
        assert done.used == 0
        assert all(one.value is None and one.interval is None for one in done.models)
        assert [(d.difference, d.p) for d in done.differences] == [(None, None)]
    assert "0 of 200 questions" in shown(result)
    rows = ["".join(line.split()) for line in shown(result).splitlines()]
    assert rows.count("│A│-│-│-│-│-│") == rows.count("│B│-│-│-│-│-│") == len(result.compared)
    assert "NaN" not in result.to_json()


def shown(result, width=130):
    stream = io.StringIO()
    print_comparison(result, Console(file=stream, width=width))
    return stream.getvalue()


def test_results_are_their_tables_in_python_and_in_notebooks(models, options):
    """On a hundred columns, without colours; brackets in names are text, not markup."""
    result = compare({"[bold]": models["small"], "<b>": models["fitted"]}, **options)
    assert str(result).splitlines() == shown(result, width=100).rstrip().splitlines()
    assert "A  [bold]" in str(result) and "p vs" in str(result) and "\x1b" not in str(result)
    html = result._repr_html_()
    assert html.startswith("<pre") and "B  &lt;b&gt;" in html and "<b>" not in html
    one = str(result.evaluations[0])
    assert "accuracy" in one and "Spearman" in one and "<pre" in result.evaluations[0]._repr_html_()
    assert repr(result).startswith("Comparison(models=")


def test_a_legend_keeps_names_whole_on_80_columns(models, options):
    names = [f"/a/long/path/to/{number}/model-of-a-long-name.safetensors" for number in range(4)]
    result = compare(zip(names, [*models.values(), models["plain"]], strict=True), **options)
    lines = shown(result, width=80).splitlines()
    assert lines[:4] == [f"{letter}  {name}" for letter, name in zip("ABCD", names, strict=True)]
    rows = [line for line in lines if line.startswith("│D")]
    assert len(rows) == len(result.compared) and max(map(len, rows)) <= 80
    assert all("…" not in row and float(row.split("│")[-2]) <= 1 for row in rows)


def test_tables_show_all_models_sets_and_p(models, options):
    result = compare(models, **options, method=("3cosadd", "3cosmul"), restrict_vocab=(0, 30_000))
    text = shown(result, width=200)
    for done in result.compared:
        assert f"{done.used:,} of {done.total:,}" in text
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    assert sum(row[:1] == ["B"] for row in rows) == len(result.compared) == 4 * 3 + 1
    last = result.compared[-1]
    row = [row for row in rows if row[:1] == ["C"]][-1]
    assert row[1] == f"{last.models[2].value:.3f}"
    assert row[-2:] == [
        "<0.001" if one.p_holm < 0.001 else f"{one.p_holm:.3f}" for one in last.differences[1:]
    ]
    assert "adjusted by Holm for 3 pairs of models" in text
    assert "exact McNemar" in text and "paired bootstrap" in text
    ways = {(one.method, one.restrict_vocab, one.convention) for one in result.compared[:-1]}
    assert ways == {
        (method, limit, by)
        for method in ("3cosadd", "3cosmul")
        for limit, by in ((None, None), (30_000, "word2vec.c"))
    }


def test_each_model_by_itself_is_in_the_result(models, options):
    result = compare(models, **options)
    data = json.loads(result.to_json())
    assert data == result.as_dict()
    assert data["models"] == list(models)
    for name, one in zip(models, result.evaluations, strict=True):
        assert one == evaluate(models[name], **options)


def test_two_models_at_least_and_each_of_another_name(models, options):
    with pytest.raises(OptionError, match="found 1 model to compare; expected two or more"):
        compare({"a": models["plain"]}, **options)
    with pytest.raises(OptionError, match="two models are named 'a'; expected a name for each"):
        compare([("a", models["plain"]), ("a", models["small"])], **options)
    with pytest.raises(TypeError, match="found str; expected a model or Vectors"):
        compare({"a": "x", "b": models["plain"]}, **options)


def test_faulty_sets_are_seen_before_a_model_is_read(tmp_path):
    def never():
        raise AssertionError("a model was read")
        yield

    with pytest.raises(EvaluationError, match="no such file"):
        compare(never(), similarity=tmp_path / "none.tsv")


# ---- the command --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_vectors(models["plain"], folder / "a.txt")
    save_vectors(models["fitted"], folder / "b.bin")
    return folder


@pytest.fixture(scope="module")
def asked(files):
    return ["--analogies", files / "questions.txt", "--similarity", files / "pairs.tsv"]


def test_the_command_compares(run, saved, asked, options, models, tmp_path):
    names = [saved / "a.txt", saved / "b.bin"]
    output = tmp_path / "out.json"
    arguments = ("evaluate", *names, "--compare", *asked, "--seed", "3", "--json", output)
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())
    expected = compare({str(path): w2v_hs.load_vectors(path) for path in names}, **options, seed=3).as_dict()
    assert found == expected
    for text in ("p vs", "pairs.tsv: 150 of 150 pairs", f"A  {names[0]}", f"B  {names[1]}"):
        assert text in done.stdout.decode()


def test_several_files_are_evaluated_one_after_the_other(run, saved, asked, options):
    names = [saved / "a.txt", saved / "b.bin"]
    more = ["--method", "3cosmul", "--restrict-vocab", "40", "--restrict-vocab", "0"]
    done = run("evaluate", *names, *asked, *more, "--confidence", "0.8", "--json", "-")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one.pop("vectors") for one in found] == list(map(str, names))
    assert found == [
        evaluate(
            w2v_hs.load_vectors(path), **options, method="3cosmul", restrict_vocab=(40, 0), confidence=0.8
        ).as_dict()
        for path in names
    ]
    assert found[0]["restrict_vocab"] == [40, None]
    text = run("evaluate", *names, *asked, *more, "--confidence", "0.8").stdout.decode()
    assert "3CosMul" in text and "80% interval" in text
    assert text.index("a.txt") < text.index("b.bin")


def test_the_command_takes_named_columns(run, saved, tmp_path):
    rows = "one,two,note,mean\nw1,w2,x,3\nw3,w4,y,2\nw5,w6,z,1\n"
    (tmp_path / "p.csv").write_text(rows)
    done = run(
        "evaluate",
        saved / "a.txt",
        "--similarity",
        tmp_path / "p.csv",
        "--columns",
        "one",
        "two",
        "mean",
        "--json",
        "-",
    )
    (found,) = json.loads(done.stdout)["similarity"]
    assert (found["used"], found["columns"]) == (3, ["one", "two", "mean"])


def test_wrong_usage_of_the_command(fails, saved, asked):
    a, b = saved / "a.txt", saved / "b.bin"
    assert "takes two files of vectors or more" in fails("evaluate", a, "--compare", code=2)
    assert "is given twice" in fails("evaluate", a, a, "--compare", code=2)
    assert "given twice" in fails("evaluate", a, b, "--json", b)
    assert "none.bin" in fails("evaluate", a, saved / "none.bin", "--compare", *asked)
    assert "confidence is 2.0" in fails("evaluate", a, "--confidence", "2", *asked)
    assert "restrict_vocab=-1" in fails("evaluate", a, "--restrict-vocab", "-1", *asked)
