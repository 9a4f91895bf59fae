"""`w2v-hs report`: what the page says is so, and the page works in a browser, without a network."""

import base64
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from browsing import data_of, find, search, wait

import w2v_hs
from w2v_hs.errors import EvaluationError, OptionError
from w2v_hs.formatting import texts
from w2v_hs.model.tree_statistics import anatomy
from w2v_hs.reporting import evaluation as report_evaluation
from w2v_hs.reporting.content import report as write_report
from w2v_hs.reporting.word_map import word_map

pytest.importorskip("bokeh")
HOSTILE = "</script><img src=x onerror=alert(1)>"
WORDS = [HOSTILE, "&lt;b&gt;", "<b>bold</b>", "{{7*7}}", "Zürich", "$$x^2$$", "two words", "odd"]


@pytest.fixture(scope="module")
def hostile():
    """A model of 68 words, some of which are markup."""
    random = np.random.default_rng(1)
    names = WORDS + [f"{kind}{i}" for kind in ("fruit", "beast") for i in range(30)]
    halves = np.array_split(np.arange(len(names)), 2)
    text = [[names[i] for i in random.choice(halves[n % 2], 12)] for n in range(600)]
    model = w2v_hs.train(text, dim=16, epochs=3, sample=0, threads=1, holdout=0.1)
    words = model.vectors.words
    words[words.index("odd")] = "\ud800"  # as a file may hold
    return model


@pytest.fixture(scope="module")
def page(hostile, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(hostile, path, title=f"{HOSTILE}.safetensors")
    return path


def array(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def test_neighbours_are_those_of_most_similar(hostile, page):
    data = data_of(page)
    near = array(data["neighbours"], "<u4").reshape(-1, data["k"])
    cosines = array(data["cosines"], "<f4").reshape(-1, data["k"])
    words = hostile.vectors.words
    assert data["words"] == [word.replace("\ud800", "\ufffd") for word in words]
    for word, row, values in zip(words, near, cosines, strict=True):
        expected = hostile.vectors.most_similar(word, k=10)
        assert [words[i] for i in row] == [other for other, _ in expected]
        np.testing.assert_allclose(values, [cosine for _, cosine in expected], atol=1e-6)


def test_neighbours_come_from_all_words_and_zero_rows_are_left_out(tmp_path):
    random = np.random.default_rng(2)
    matrix = random.normal(size=(300, 8)).astype(np.float32)
    matrix[3] = 0
    matrix[5] *= 1e30
    vectors = w2v_hs.Vectors([f"w{i}" for i in range(300)], matrix)
    layout = word_map(vectors, 20)
    assert layout.left_out == 1 and 3 not in layout.rows and len(layout.rows) == 20
    for row, near in zip(layout.rows, layout.neighbours, strict=True):
        expected = [word for word, _ in vectors.most_similar(f"w{row}", k=10)]
        assert [vectors.words[other] for other in near] == expected
    assert layout.neighbours.max() > 20
    write_report(vectors, tmp_path / "v.html", words=20)
    data = data_of(tmp_path / "v.html")
    assert data["ranks"][3] == 5 and data["words"][:4] == ["w0", "w1", "w2", "w4"]
    assert 20 < len(data["words"]) < 221 and data["counts"] is None
    page = (tmp_path / "v.html").read_text()
    assert "Left out: 1 words" in page and "Vectors alone" in page and 'id="tree"' not in page


def test_many_files_are_named_by_their_folder(tmp_path, run):
    (tmp_path / "texts").mkdir()
    for name in "abcde":
        (tmp_path / "texts" / f"{name}.txt").write_text("king queen land\n" * 30)
    model = w2v_hs.train(tmp_path / "texts", dim=4, epochs=1, sample=0, threads=1)
    model.save(tmp_path / "m.safetensors")
    shown = run("info", tmp_path / "m.safetensors", env={"COLUMNS": "300"}).stdout.decode()
    assert f"5 files in {tmp_path}/texts/" in shown and "a.txt" not in shown
    write_report(model, tmp_path / "m.html")
    page = (tmp_path / "m.html").read_text()
    assert page.count(f"5 files in {tmp_path}/texts/") == 2 and "a.txt" not in page


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b/c", "d"], "a, b/c, d"),
        (["a", "b", "c", "d"], "4 files in ./"),
        (["x/a", "x/b", "x/bc/d", "x/bc/e"], "4 files in x/"),
        (["s3://x/ya", "s3://x/yb", "s3://x/yc", "s3://x/yd"], "4 files in s3://x/"),
        (["a", "/x/b", "c", "d\n", "e"], "a, /x/b, c and 2 more"),
    ],
)
def test_names_of_texts(names, expected):
    assert texts(names) == expected


def test_places_are_principal_components():
    decomposition = pytest.importorskip("sklearn.decomposition")
    random = np.random.default_rng(3)
    matrix = (random.normal(size=(200, 12)) * np.arange(1, 13)).astype(np.float32)
    layout = word_map(w2v_hs.Vectors([str(i) for i in range(200)], matrix), 200, "pca")
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    pca = decomposition.PCA(2).fit(unit)
    assert layout.variance == pytest.approx(pca.explained_variance_ratio_.sum(), abs=1e-5)
    expected = pca.transform(unit)
    for axis in (0, 1):
        assert abs(np.corrcoef(layout.places[:, axis], expected[:, axis])[0, 1]) > 0.9999
    assert np.abs(layout.places).max() == pytest.approx(1)


def test_tsne_keeps_groups_together():
    pytest.importorskip("openTSNE")
    random = np.random.default_rng(4)
    middles = np.repeat(random.normal(size=(3, 20)), 20, axis=0)
    matrix = (middles + 0.1 * random.normal(size=(60, 20))).astype(np.float32)
    vectors = w2v_hs.Vectors([str(i) for i in range(60)], matrix)
    layout = word_map(vectors, 60, "tsne")
    distances = np.linalg.norm(layout.places[:, None] - layout.places[None], axis=2)
    nearest = np.argsort(distances, axis=1)[:, 1]
    assert (nearest // 20 == np.arange(60) // 20).all()
    np.testing.assert_array_equal(layout.places, word_map(vectors, 60, "tsne").places)


@pytest.mark.parametrize("size", [(1, 3), (2, 1), (3, 2), (2, 0)])
def test_few_words_and_dimensions(tmp_path, size):
    words, dim = size
    matrix = np.arange(words * max(1, dim), dtype=np.float32).reshape(words, -1) + 1
    vectors = w2v_hs.Vectors([f"w{i}" for i in range(words)], matrix * bool(dim))
    write_report(vectors, tmp_path / "v.html")
    page = (tmp_path / "v.html").read_text()
    assert ("No word has a vector with a direction" in page) == (not dim)
    data = data_of(tmp_path / "v.html")
    assert not dim or data["k"] == words - 1


def test_a_full_softmax_has_no_tree(tmp_path):
    model = w2v_hs.train([["a", "b", "c"]] * 50, loss="softmax", dim=4, epochs=2, sample=0)
    write_report(model, tmp_path / "m.html")
    page = (tmp_path / "m.html").read_text()
    assert 'id="tree"' not in page and "full softmax" in page and 'id="losses"' in page


def test_a_rising_loss_is_explained(model, tmp_path):
    for losses, holdout_losses in (([3.0, 2.0, 2.5], []), ([3.0, 2.5, 2.0], [3.0, 2.0, 2.5])):
        changed = replace(model, losses=losses, holdout_losses=holdout_losses)
        write_report(changed, tmp_path / "r.html", projection="pca", analogies=[], similarity=[])
        written = (tmp_path / "r.html").read_text()
        training = "The loss in training: it rises after epoch 2: it is measured before each update"
        held_out = "The loss of the sentences set aside: it rises after epoch 2: the model overfits"
        assert (training in written, held_out in written) == (not holdout_losses, bool(holdout_losses))


def test_an_update_stands_in_the_page(text_file, tmp_path):
    model = w2v_hs.train(text_file, dim=8, epochs=2, sample=0, threads=1)
    news = tmp_path / "news.txt"
    news.write_text("paris is the capital of france and the queen rules the sea\n" * 50)
    model.update(news, epochs=1)
    write_report(model, tmp_path / "m.html")
    page = (tmp_path / "m.html").read_text()
    assert "2 epochs; then on" in page and "news.txt" in page
    loss = model.provenance["updates"][0]["losses"][-1]
    assert "loss, last update" in page and f"{loss:.3f} nats" in page
    assert "of the update with more text the losses stand" in page
    model.provenance["updates"][0]["losses"][-1] = None  # an epoch with nothing to predict
    write_report(model, tmp_path / "m.html")
    page = (tmp_path / "m.html").read_text()
    assert "then on" in page and "loss, last" not in page


def test_evaluation_stands_in_the_page(text_file, model, tmp_path, run):
    model.save(tmp_path / "m.safetensors")
    (tmp_path / "q.txt").write_text(": capitals\nparis france berlin germany\nrome italy x y\n")
    (tmp_path / "p.txt").write_text("king\tqueen\t9\ndog\tcat\t8\nking\tmouse\t1\nx\ty\t2\n")
    done = run(
        "report",
        tmp_path / "m.safetensors",
        "-o",
        tmp_path / "r.html",
        "--analogies",
        tmp_path / "q.txt",
        "--similarity",
        tmp_path / "p.txt",
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "r.html").read_text()
    result = w2v_hs.evaluate(model, analogies=tmp_path / "q.txt", similarity=tmp_path / "p.txt")
    assert f"{result.analogies[0].accuracy:.1%}" in page and "of 1 <span" in page
    assert f"{result.similarity[0].spearman:.3f}" in page and "3 pairs" in page
    assert "google" not in page.split("<script")[0]


def test_a_missing_set_does_not_break_the_page(hostile, tmp_path, monkeypatch):
    def evaluate(vectors, **sets):
        if "google" in sets["analogies"]:
            raise EvaluationError("questions-words.txt: cannot be read")
        return w2v_hs.evaluate(vectors, **sets)

    monkeypatch.setattr(report_evaluation, "evaluate", evaluate)
    write_report(hostile, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "Not measured: questions-words.txt: cannot be read" in page and "WordSim-353" in page


def test_command(run, fails, hostile, tmp_path):
    path = tmp_path / "m.safetensors"
    hostile.save(path)
    old = path.read_bytes()
    output = tmp_path / "r.html"
    assert "must end in .html" in fails("report", path, "-o", path, code=2)
    assert "must end in .html" in fails("report", path, "-o", tmp_path / "r", code=2)
    assert "--words" in fails("report", path, "-o", output, "--words", "0", code=2)
    missing = fails("report", path, "-o", output, "--analogies", tmp_path / "none.txt")
    assert "none.txt: no such file" in missing
    assert "cannot write there" in fails("report", path, "-o", tmp_path / "no" / "r.html")
    assert not output.exists() and path.read_bytes() == old
    hostile.export(tmp_path / "v.npz")
    done = run("report", tmp_path / "v.npz", "-o", output, "--words", "5")
    assert done.returncode == 0 and b"r.html" in done.stderr
    assert "Vectors alone" in output.read_text()


@pytest.mark.parametrize(("module", "arguments"), [("bokeh", ()), ("umap", ("umap",))])
def test_a_missing_package_is_named(fails, hostile, tmp_path, module, arguments):
    hostile.save(tmp_path / "m.safetensors")
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / f"{module}.py").write_text("raise ImportError('hidden')")
    options = [part for name in arguments for part in ("--projection", name)]
    message = fails(
        "report",
        tmp_path / "m.safetensors",
        "-o",
        tmp_path / "r.html",
        *options,
        env={"PYTHONPATH": str(tmp_path / "hidden")},
    )
    assert "pip install" in message and not (tmp_path / "r.html").exists()


def test_without_opentsne_the_map_is_by_pca_and_says_so(run, hostile, tmp_path):
    hostile.save(tmp_path / "m.safetensors")
    start = (
        "import importlib.util as u, sys; find = u.find_spec; from w2v_hs.__main__ import main\n"
        "u.find_spec = lambda name, *rest: None if name == 'openTSNE' else find(name, *rest); main()"
    )
    arguments = ["report", tmp_path / "m.safetensors", "-o", tmp_path / "r.html"]
    done = subprocess.run([sys.executable, "-c", start, *arguments], capture_output=True)
    assert done.returncode == 0 and b"warning: the map is by PCA" in done.stderr
    assert b"pip install openTSNE" in done.stderr and "(PCA)" in (tmp_path / "r.html").read_text()


def test_unknown_projection(hostile):
    with pytest.raises(OptionError, match="pca"):
        word_map(hostile.vectors, 5, "mds")
    with pytest.raises(OptionError, match="words"):
        word_map(hostile.vectors, 0)


# ---- in a browser --------------------------------------------------------------------------------

# All text of a page, in shadow trees as well, where Bokeh puts its own.
ALL_TEXT = """
const inside = (node) => [...node.childNodes].map((child) =>
  child.nodeType === 3 ? child.data
  : ["SCRIPT", "STYLE", "TEMPLATE"].includes(child.tagName) ? ""
  : child.tagName === "IMG" ? "an image!"
  : (child.shadowRoot ? inside(child.shadowRoot) : "") + inside(child)).join(" ");
return inside(document.body);
"""
# Where a word of the map is, in pixels of the window.
PIXEL = """
const plot = Bokeh.documents.flatMap((d) => d.roots()).find((m) => m.name === "map");
const {x, y, word} = plot.renderers.find((r) => r.name === "points").data_source.data;
const i = word.indexOf(arguments[0]), box = document.getElementById("map").getBoundingClientRect();
const {x_range, y_range} = plot;
return [box.left + (x[i] - x_range.start) / (x_range.end - x_range.start) * box.width,
        box.top + (y_range.end - y[i]) / (y_range.end - y_range.start) * box.height];
"""
RANGE = """
const plot = Bokeh.documents.flatMap((d) => d.roots()).find((m) => m.name === "map");
return plot.x_range.end - plot.x_range.start;
"""


def move_to(browser, x, y, click=False):
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    builder = ActionBuilder(browser, duration=20)
    builder.pointer_action.move_to_location(round(x), round(y))
    if click:
        builder.pointer_action.click()
    builder.perform()


def test_search_and_neighbours(opened, page, hostile):
    browser = opened(page)
    search(browser, "fruit7")
    rows = [row.text.split("\n") for row in find(browser, "#found li")]
    expected = hostile.vectors.most_similar("fruit7", k=10)
    shown = [word.replace("\ud800", "\ufffd") for word, _ in expected]
    assert rows == [[word, f"{c:.3f}"] for word, (_, c) in zip(shown, expected, strict=True)]
    find(browser, "#found li button")[0].click()
    assert find(browser, "#found h3")[0].text == shown[0]
    box = find(browser, "#word")[0]
    box.clear()
    box.send_keys("BEAST1")
    offered = [button.text for button in find(browser, "#suggestions button")]
    assert offered[0] == "beast1" and all(word.startswith("beast1") for word in offered)
    assert len(offered) == 6
    search(browser, "zebra")
    assert "is not on this map" in find(browser, "#suggestions")[0].text


def test_hostile_words_are_text(opened, page, hostile):
    browser = opened(page)
    for word in (*WORDS[:-1], "\ufffd"):
        search(browser, word)
        assert find(browser, "#found h3")[0].text == word
        assert len(find(browser, "#found li")) == 10
    assert browser.title == f"{HOSTILE}.safetensors"
    assert find(browser, "h1")[0].text == f"{HOSTILE}.safetensors"
    assert not find(browser, "img") and not find(browser, "main b:not(.figures b)")
    find(browser, "#whole")[0].click()
    search(browser, HOSTILE)
    move_to(browser, *browser.execute_script(PIXEL, HOSTILE))
    wait(lambda: re.search(r"word\s+" + re.escape(HOSTILE), browser.execute_script(ALL_TEXT)))
    assert "an image!" not in browser.execute_script(ALL_TEXT)


def test_hover_click_and_zoom(opened, page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    browser = opened(page)
    x, y = browser.execute_script(PIXEL, "beast3")
    move_to(browser, x, y)
    wait(lambda: re.search(r"word\s+\S+.*rank\s+\d+.*count\s+[\d,]+", browser.execute_script(ALL_TEXT), re.S))
    assert "beast3" in browser.execute_script(ALL_TEXT)
    before = browser.execute_script(RANGE)
    origin = ScrollOrigin.from_element(find(browser, "#map")[0])
    ActionChains(browser).scroll_from_origin(origin, 0, -300).perform()
    wait(lambda: browser.execute_script(RANGE) < before)
    find(browser, "#whole")[0].click()
    wait(lambda: browser.execute_script(RANGE) == pytest.approx(before))
    find(browser, "#closer")[0].click()
    assert browser.execute_script(RANGE) == pytest.approx(0.6 * before)
    find(browser, "#whole")[0].click()
    move_to(browser, x, y, click=True)
    wait(lambda: find(browser, "#found h3"))


def test_points_have_the_colours_of_the_first_splits(opened, page, hostile):
    from markupsafe import escape

    browser = opened(page)
    colours = browser.execute_script("""
        const plot = Bokeh.documents.flatMap((d) => d.roots()).find((m) => m.name === "map");
        return [...plot.renderers.find((r) => r.name === "points").data_source.data.color];""")
    codes = [hostile.tree.code(row)[:2] for row in range(len(hostile.vocabulary))]
    assert len(set(zip(codes, colours, strict=True))) == len(set(codes)) == len(set(colours)) == 4
    assert f"is that of the word “<bdi>{escape(anatomy(hostile).deepest_word)}</bdi>”" in page.read_text()
    legend = [item.text.split()[0] for item in find(browser, "#groups li")]
    assert legend == sorted(set(codes))


def test_a_side_of_the_tree_is_shown_on_the_map(opened, page, hostile):
    browser = opened(page)
    button = find(browser, ".show")[0]
    browser.execute_script("arguments[0].click()", button)
    assert button.get_attribute("aria-pressed") == "true"
    lit = browser.execute_script("""
        const plot = Bokeh.documents.flatMap((d) => d.roots()).find((m) => m.name === "map");
        return plot.renderers.find((r) => r.name === "picks").data_source.data.x.length;""")
    codes = [hostile.tree.code(row) for row in range(len(hostile.vocabulary))]
    assert lit == sum(code.startswith("0") for code in codes) > 0


@pytest.mark.parametrize("width", [390, 1280])
def test_words_of_the_tree_stand_side_by_side(opened, page, width):
    browser = opened(page, width)
    first = find(browser, ".frequent")[0].find_elements("css selector", ".word")[:2]
    assert first[0].rect["y"] == first[1].rect["y"] and first[0].rect["x"] < first[1].rect["x"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(opened, page, scheme):
    browser = opened(page, 390, 844, scheme, mobile=True)
    search(browser, HOSTILE)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    assert browser.execute_script("return innerWidth") == 390
    smallest = browser.execute_script("""
        return Math.min(...[...document.querySelectorAll("body *")]
          .filter((e) => e.offsetParent && [...e.childNodes].some((c) => c.nodeType === 3
            && c.data.trim()) && !["SCRIPT", "STYLE"].includes(e.tagName))
          .map((e) => parseFloat(getComputedStyle(e).fontSize)));""")
    assert smallest >= 14


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_read(opened, page, scheme):
    browser = opened(page, scheme=scheme)
    inks = browser.execute_script("""
        const style = getComputedStyle(document.documentElement);
        return Object.fromEntries(["paper", "panel", "ink", "soft", "accent", "second"].map((n) =>
          [n, style.getPropertyValue("--" + n).trim()]));""")
    light = {name: luminance(value) for name, value in inks.items()}
    assert (light["paper"] < 0.1) == (scheme == "dark")
    for ground in ("paper", "panel"):
        for name in ("ink", "soft", "accent", "second"):
            low, high = sorted([light[ground], light[name]])
            assert (high + 0.05) / (low + 0.05) >= 4.5, (ground, name)  # WCAG 2, level AA
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == (
        "rgb({}, {}, {})".format(*bytes.fromhex(inks["paper"][1:]))
    )


def luminance(colour):
    """Relative luminance as WCAG 2 defines it, of #rrggbb."""
    parts = np.frombuffer(bytes.fromhex(colour[1:]), np.uint8) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_ten_thousand_words_open_quickly(opened, tmp_path):
    random = np.random.default_rng(5)
    words = [f"word{i}" for i in range(12_000)]
    vectors = w2v_hs.Vectors(words, random.normal(size=(12_000, 16)).astype(np.float32))
    write_report(vectors, tmp_path / "large.html", analogies=(), similarity=())
    assert (tmp_path / "large.html").stat().st_size < 10e6
    times = []
    for _ in range(2):
        browser = opened(tmp_path / "large.html")
        times.append(browser.execute_script("return performance.getEntriesByName('drawn')[0].startTime"))
    assert min(times) < 2000, times
