"""The report on two models: words that changed, a map of both, neighbours then and now."""

import base64
import re

import numpy as np
import pytest
from browsing import data_of, find, search

import w2v_hs
from w2v_hs.errors import OptionError
from w2v_hs.reporting.change import change_map
from w2v_hs.vectors.rotation import directions

pytest.importorskip("bokeh")
HOSTILE = "</script><img src=x onerror=alert(1)>"
OPTIONS = {"dim": 10, "epochs": 3, "sample": 0, "threads": 1}


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Two texts of 8 topics; in the later one `t1w1`, whose other name is markup, has moved."""
    folder = tmp_path_factory.mktemp("texts")
    rng = np.random.default_rng(1)
    for name, swap in (("old", {}), ("new", {"t1w1": "t6w1", "t6w1": "t1w1"})):
        lines = [[f"t{t}w{i}" for i in rng.integers(12, size=8)] for t in rng.integers(8, size=2000)]
        words = [
            [swap.get(word, word).replace("t1w1", HOSTILE.replace(" ", "~")) for word in line]
            for line in lines
        ]
        (folder / f"{name}.txt").write_text("".join(" ".join(line) + "\n" for line in words))
    return folder


@pytest.fixture(scope="module")
def runs(texts):
    """Two runs of each text, in folders."""
    for name, seed in (("old", 1), ("new", 3)):
        kept = texts / f"{name}-replicas"
        w2v_hs.train(texts / f"{name}.txt", seed=seed, replicas=2, keep_replicas=kept, **OPTIONS)
    return {
        name: [w2v_hs.load(texts / f"{name}-replicas/{n}.safetensors") for n in (1, 2)]
        for name in ("old", "new")
    }


@pytest.fixture(scope="module")
def page(runs, texts):
    path = texts / "change.html"
    w2v_hs.report(runs["old"], path, new=runs["new"], title=f"{HOSTILE} → new", projection="pca")
    return path


def array(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def test_figures_and_neighbours_are_those_of_shift(runs, page):
    data, text = data_of(page), page.read_text()
    found = w2v_hs.shift(runs["old"], runs["new"])
    words = [str(each.word) for each in found.words]
    assert [data["words"][place] for place in data["moved"]] == words[:50]
    asked = w2v_hs.shift(runs["old"], runs["new"], data["words"])
    for place, each in enumerate(asked.words):
        for side, neighbors in (("then", each.old_neighbors), ("now", each.new_neighbors)):
            near = array(data[side], "<u4").reshape(-1, data["k"])[place]
            cosines = array(data[f"cosines {side}"], "<f4").reshape(-1, data["k"])[place]
            np.testing.assert_allclose(cosines, [cosine for _, cosine in neighbors], atol=1e-6)
            assert {data["words"][i] for i in near} == {word for word, _ in neighbors}
        assert data["facts"][place].startswith(
            f"rank {each.rank} of 96; overlap {each.overlap.value:.3f} (95% int"
        )
    first = found.words[0].overlap
    assert first.value < 0.2 < first.usual
    row = re.search(r"<tbody>\s*<tr>(.*?)</tr>", text, re.S)[1]
    for shown in (f"{first.value:.3f}", f"{first.usual:.3f}", "{:.3f} to {:.3f}".format(*first.interval)):
        assert f"<td>{shown}</td>" in row
    assert "2 runs" in text and "too narrow" in text and "--control" in text


def test_a_word_that_moved_stands_near_its_neighbours_of_each_text():
    rng = np.random.default_rng(2)
    middles = rng.normal(size=(4, 12))
    topic = np.repeat(np.arange(4), 20)
    old = directions((middles[topic] + 0.2 * rng.normal(size=(80, 12))).astype(np.float32))
    turn, _ = np.linalg.qr(rng.normal(size=(12, 12)))
    changed = topic.copy()
    changed[5] = 3
    new = directions((middles[changed] + 0.2 * rng.normal(size=(80, 12))).astype(np.float32))
    runs = [directions((new @ turn).astype(np.float32)), new]
    found = change_map([old], runs, [5], 80, "pca")
    centres = np.stack([found.places[(topic == t) & (found.rows != 5)].mean(axis=0) for t in range(4)])
    for place, expected in ((found.before[0], 0), (found.places[5], 3)):
        assert np.linalg.norm(centres - place, axis=1).argmin() == expected
    few = change_map([old], runs, [70, 5], 10, "pca")  # those that moved are there though rarer
    assert few.rows.tolist() == [*range(10), 70] and few.rows[few.moved].tolist() == [70, 5]


def test_what_does_not_go_together_is_refused(runs, tmp_path):
    old, new = runs["old"][0], runs["new"][0]
    found, path = w2v_hs.shift(old, new), tmp_path / "c.html"
    for message, options in (
        ("analogies with two models", {"new": new, "analogies": []}),
        ("found without new", {"found": found}),
        (
            "other models than these, 96 words shared by 1 and 1 runs instead of 20 words",
            {"found": found, "new": cut(new, 20)},
        ),
        ("1 and 1 runs instead of 96 words shared by 1 and 2", {"found": found, "new": runs["new"]}),
        ("found holds no words", {"found": w2v_hs.shift(old, new, []), "new": new}),
        ("no shared words", {"new": w2v_hs.Vectors(["a", "b"], np.ones((2, 10), np.float32))}),
    ):
        with pytest.raises(OptionError, match=message):
            w2v_hs.report(old, path, **options)
    with pytest.raises(TypeError, match="found str"):
        w2v_hs.report("m.safetensors", path)
    assert not path.exists()


def cut(model, words):
    return w2v_hs.Vectors(model.vectors.words[:words], model.vectors.matrix[:words])


def test_the_commands(run, fails, runs, texts, tmp_path):
    old, new, output = texts / "old-replicas", texts / "new-replicas", tmp_path / "c.html"
    done = run("report", old, new, "-o", output, "--words", 30, "--projection", "pca")
    assert done.returncode == 0 and b"c.html" in done.stderr, done.stderr
    assert "<h1>old-replicas → new-replicas</h1>" in output.read_text()
    one = old / "1.safetensors", new / "1.safetensors"
    done = run("shift", *one, "t6w1", "--control", 1, "--page", output)
    assert done.returncode == 0 and b"then" in done.stdout, done.stderr
    text = output.read_text()
    assert "Words asked for" in text and "<th>q</th>" in text and "1 round of shuffled sentences" in text
    assert "There is one run of each text" in text and len(data_of(output)["moved"]) == 1
    before = output.read_bytes()
    assert "must end in .html" in fails("shift", *one, "--page", one[0], code=2)
    assert "--similarity with two" in fails("report", *one, "-o", output, "--similarity", "wordsim353")
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "bokeh.py").write_text("raise ImportError('hidden')")
    hidden = {"PYTHONPATH": str(tmp_path / "hidden")}
    missing = fails("shift", *one, "--control", 100_000, "--page", output, env=hidden)
    assert "pip install" in missing  # at once, before anything is trained
    assert output.read_bytes() == before
    text = tmp_path / "text.html"  # of a model, which the control reads
    text.write_text("a b c d\n" * 50)
    w2v_hs.train(text, **OPTIONS).save(tmp_path / "m.safetensors")
    assert "text.html" in fails("shift", tmp_path / "m.safetensors", one[1], "--page", text)
    assert text.read_text() == "a b c d\n" * 50


def test_in_a_browser(opened, page, runs):
    browser = opened(page)
    arrows = """
        const plot = Bokeh.documents.flatMap((d) => d.roots()).find((m) => m.name === "map");
        return [...plot.renderers.find((r) => r.name === "moves").data_source.data.x];"""
    assert len(browser.execute_script(arrows)) == 20
    name = HOSTILE.replace(" ", "~")
    search(browser, name)
    assert find(browser, "#found h3")[0].text == name and not find(browser, "img")
    assert len(browser.execute_script(arrows)) == 1
    each = w2v_hs.shift(runs["old"], runs["new"], name).words[0]
    for column, neighbors in zip(
        find(browser, "#found .columns > div"), (each.old_neighbors, each.new_neighbors), strict=True
    ):
        rows = [row.text.split("\n") for row in column.find_elements("css selector", "li")]
        assert rows == [[word, f"{cosine:.3f}"] for word, cosine in neighbors]
    find(browser, ".changes button")[1].click()
    assert find(browser, "#found h3")[0].text == data_of(page)["words"][data_of(page)["moved"][1]]
    find(browser, "#whole")[0].click()
    assert len(browser.execute_script(arrows)) == 20
    phone = opened(page, 390, 844, "dark", mobile=True)
    assert phone.execute_script("return document.documentElement.scrollWidth") == 390
