"""The text classifier: features, training, prediction, scikit-learn, files."""

import itertools

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

import w2v_hs
from w2v_hs.classifier import TextClassifier
from w2v_hs.classifier.text.features import learn_features
from w2v_hs.classifier.text.options import TextOptions
from w2v_hs.errors import DivergedError, FormatError, OptionError, VocabularyError
from w2v_hs.files.container import load_arrays, save_arrays
from w2v_hs.vectors import Vectors

TOPICS = {
    "food": "bread cheese soup salt oven",
    "sea": "ship sail harbour wave salt",
    "war": "army sword siege general wave",
}


def toy(texts=90, seed=1):
    """Texts of six words of a topic among words that say nothing."""
    generator = np.random.default_rng(seed)
    labels = np.resize(list(TOPICS), texts).tolist()
    words = [
        [*generator.choice(TOPICS[label].split(), 3), *generator.choice(["the", "a", "of"], 3)]
        for label in labels
    ]
    return [" ".join(generator.permutation(each)) for each in words], labels


@pytest.fixture(scope="module")
def fitted():
    """Classifiers of both losses, with everything that a file holds."""
    options = {"dim": 12, "word_ngrams": 2, "subwords": (3, 4), "buckets": 5000}
    return {loss: TextClassifier(loss=loss, **options).fit(*toy()) for loss in ("softmax", "hs")}


# ---- features -----------------------------------------------------------------------------------

tokens = st.lists(st.sampled_from(["a", "b", "bee", "ärger", "</s>", "c"]), max_size=7)


@given(
    training=st.lists(tokens, min_size=1, max_size=6),
    other=st.lists(tokens, max_size=4),
    longest=st.integers(1, 4),
    subwords=st.sampled_from([None, (2, 3)]),
    min_count=st.integers(1, 2),
)
def test_features_are_those_of_the_oracle(training, other, longest, subwords, min_count):
    flat = [word for text in training for word in text]
    known = {word for word in flat if flat.count(word) >= min_count} | {"</s>"}
    # So many that two n-grams of words, of up to 4 of these, never share one.
    buckets = 200_031
    options = TextOptions(word_ngrams=longest, subwords=subwords, buckets=buckets, min_count=min_count)
    if known == {"</s>"}:
        with pytest.raises(VocabularyError, match="lower min_count"):
            learn_features(map(" ".join, training), options)
        return
    features, rows, count = learn_features(map(" ".join, training), options)
    assert count == len(flat)
    row_of = {}
    for text, found in zip(training, per_text(rows, training), strict=True):
        expected = naive.text_features(text, known, longest, subwords, buckets)
        for feature, row in zip(expected, found, strict=True):
            assert row_of.setdefault(feature, row) == row
    assert len(set(row_of.values())) == len(row_of)
    assert set(row_of.values()) | {0} == set(range(len(features))) | {0}
    assert all(features.words[row_of[word]] == word for word in row_of if isinstance(word, str))
    # Of other texts, what no training text has is left out.
    for text, found in zip(other, per_text(features.rows_of(map(" ".join, other)), other), strict=True):
        expected = naive.text_features(text, known, longest, subwords, buckets)
        assert [row_of[feature] for feature in expected if feature in row_of] == found


def per_text(rows, texts):
    assert len(rows.offsets) == len(texts) + 1 and rows.offsets[-1] == len(rows.rows)
    return [rows.rows[begin:end].tolist() for begin, end in itertools.pairwise(rows.offsets)]


def test_texts_are_prepared_as_in_training():
    texts, labels = ["Bread, cheese!", "the SHIP's sail"], ["food", "sea"]
    clf = TextClassifier(tokenize="words", lowercase=True, dim=4).fit(texts, labels)
    assert {"bread", "cheese", ",", "!", "ship's"} <= set(clf.model_.features.words)
    same = [["BREAD, Cheese !"], ["bread,cheese\n!"]]
    probabilities = [clf.predict_proba(text) for text in (texts[:1], *same)]
    assert (probabilities[0] == probabilities[1]).all() and (probabilities[0] == probabilities[2]).all()
    tweets = TextClassifier(tokenize="tweet", dim=4).fit(["a :-) b", "a :-( b"], [0, 1])
    assert ":-)" in tweets.model_.features.words
    with pytest.raises(OptionError, match="an escape that is no character"):
        tweets.predict(["&#0;"])


# ---- training and prediction --------------------------------------------------------------------


@pytest.mark.parametrize(("n_jobs", "texts"), [(1, 90), (2, 90), (2, 2000)])
@pytest.mark.parametrize("options", [{"loss": "softmax"}, {"loss": "hs"}, {"loss": "hs", "tree": "huffman"}])
def test_topics_are_learned(options, n_jobs, texts):
    texts, labels = toy(texts)
    clf = TextClassifier(dim=8, epochs=20, n_jobs=n_jobs, **options).fit(texts, labels)
    # Only with enough text for each do threads train side by side.
    assert clf.model_.facts["threads"] == (2 if n_jobs == 2 and len(texts) == 2000 else 1)
    assert clf.score(*toy(seed=2)) > 0.9
    assert clf.losses_[-1] < min(0.1, clf.losses_[0]) and len(clf.losses_) == 20
    assert (clf.classes_ == ["food", "sea", "war"]).all()
    probabilities = clf.predict_proba(texts)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    best, found = clf.top_k(texts, 2)
    assert (best[:, 0] == clf.predict(texts)).all()
    np.testing.assert_allclose(found, -np.sort(-probabilities, axis=1)[:, :2])


@pytest.mark.parametrize("loss", ["softmax", "hs"])
def test_losses_and_probabilities_are_exact(loss):
    """At a rate of almost 0 the weights stay, so the loss of training is that of the oracle."""
    texts, labels = toy(30)
    clf = TextClassifier(
        loss=loss, tree="huffman", dim=5, epochs=2, lr=1e-25, pretrained=random_vectors()
    ).fit(texts, labels)
    model = clf.model_
    words = model.features.words
    x, out = model.vectors.astype(float), model.outputs.astype(float) + 0
    hidden = [x[[*map(words.index, text.split()), 0]].mean(axis=0) for text in texts]
    expected = [[naive.log_prob(h, out, model.tree, c) for c in range(3)] for h in hidden]
    np.testing.assert_allclose(clf.predict_log_proba(texts), expected, atol=1e-12)
    of_labels = [row[model.labels.tolist().index(label)] for row, label in zip(expected, labels, strict=True)]
    np.testing.assert_allclose(clf.losses_, [-np.mean(of_labels)] * 2, rtol=1e-5)
    result = clf.evaluate(texts, labels)
    assert result.log_loss == pytest.approx(-np.mean(of_labels))
    assert result.precision == pytest.approx(clf.score(texts, labels))


def random_vectors():
    words = sorted({word for topic in TOPICS.values() for word in topic.split()})
    return Vectors(words, np.random.default_rng(1).normal(size=(len(words), 5)))


def test_the_seed_decides_with_one_thread(fitted):
    texts, labels = toy()
    first = fitted["hs"]
    again, other = (clone(first).set_params(seed=seed).fit(texts, labels) for seed in (1, 2))
    assert (first.model_.vectors == again.model_.vectors).all()
    assert (first.model_.outputs == again.model_.outputs).all() and first.losses_ == again.losses_
    assert first.losses_ != other.losses_


def test_words_never_seen_change_nothing(fitted):
    clf = TextClassifier(dim=8, word_ngrams=3).fit(*toy())
    assert (clf.predict_proba(["ship zebra", "zebra ship"])[0] != clf.predict_proba(["ship"])).any()
    known = TextClassifier(dim=8).fit(*toy())
    assert (known.predict_proba(["ship sail zebra"]) == known.predict_proba(["ship sail"])).all()
    assert (known.predict_proba(["zebra", ""])[0] == known.predict_proba([""])).all()
    # ... but those of characters that were: "shipyard" begins as "ship" does.
    assert fitted["softmax"].predict(["shipyard"]) == "sea"


def test_a_text_without_words_has_about_the_frequencies_of_labels():
    texts, labels = ["x", "x", "x", "x"] * 30, ["a", "a", "a", "b"] * 30
    clf = TextClassifier(dim=4, epochs=30, lr=0.1).fit(texts, labels)
    np.testing.assert_allclose(clf.predict_proba(["", "x"]), [[0.75, 0.25]] * 2, atol=0.1)


def test_several_labels_of_a_text():
    texts = ["bread soup", "ship sail", "ship bread"] * 20
    labels = [("food",), ("sea",), ("food", "sea")] * 20
    clf = TextClassifier(dim=4, epochs=30).fit(texts, labels)
    found = clf.predict_proba(["bread soup", "ship bread"])
    assert found[0, 0] > 0.9 and 0.2 < found[1, 0] < 0.8
    assert clf.score(texts, labels) == 1
    result = clf.evaluate(texts, labels, k=2)
    assert (result.precision, result.recall, result.labels) == (4 / 6, 1, 80)
    unknown = clf.evaluate(["bread soup", "x"], ["food", "zebra"])
    assert (unknown.precision, unknown.recall, unknown.unknown_labels) == (0.5, 0.5, 1)
    assert clf.evaluate(["bread"], ["zebra"]).log_loss is None


def test_training_begins_with_pretrained_vectors(tmp_path):
    topics = {**TOPICS, "sea": TOPICS["sea"] + " ocean"}
    of_topic = {word: topic for topic in topics for word in topics[topic].split()}
    matrix = [np.eye(5)[list(topics).index(topic)] for topic in of_topic.values()]
    vectors = Vectors([*of_topic, "new york"], np.array([*matrix, np.zeros(5)]))
    texts, labels = toy()
    clf = TextClassifier(pretrained=vectors).fit(texts, labels)
    assert clf.model_.vectors.shape[1] == 5
    assert clf.predict(["ocean"]) == "sea"  # no text of the training holds it
    assert "new york" not in clf.model_.features.words
    w2v_hs.save_vectors(vectors, tmp_path / "v.npz")
    read = TextClassifier(pretrained=tmp_path / "v.npz").fit(texts, labels)
    assert (read.predict_proba(texts) == clf.predict_proba(texts)).all()
    with pytest.raises(OptionError, match="the pretrained vectors have 5 values; leave dim out"):
        TextClassifier(pretrained=vectors, dim=6).fit(texts, labels)
    with pytest.raises(OptionError, match="pretrained is of type int"):
        TextClassifier(pretrained=3).fit(texts, labels)


def test_the_learned_tree_parts_labels_by_their_words():
    """Two kinds of labels, in turn, so that a Huffman tree would mix them."""
    generator, kinds = np.random.default_rng(1), "xyxyxyxy"
    labels, texts = list(range(8)) * 20, []
    for label in labels:
        words = generator.choice([f"{kinds[label]}{i}" for i in range(9)], 6)
        texts.append(" ".join([*words, f"label{label}"]))
    tree = TextClassifier(loss="hs", dim=8, epochs=4).fit(texts, labels).model_.tree
    first = [tree.code(label)[0] for label in range(8)]
    assert "".join(first) in ("01010101", "10101010")


def test_loss_auto_is_the_softmax_for_few_labels():
    few = TextClassifier(dim=2, epochs=1).fit(["a", "b"], [0, 1])
    assert few.model_.tree is None
    many = TextClassifier(dim=2, epochs=1).fit([f"w{i}" for i in range(1001)], range(1001))
    assert many.model_.tree is not None and many.model_.options.loss == "hs"


def test_scikit_learn_takes_it():
    texts, labels = toy()
    clf = TextClassifier(dim=6, epochs=15)
    assert clone(clf).get_params() == clf.get_params()
    assert cross_val_score(clf, texts, labels, cv=3).mean() > 0.8
    search = GridSearchCV(clf, {"word_ngrams": [1, 2]}, cv=2).fit(np.array(texts), np.array(labels))
    assert search.best_estimator_.predict(texts[:3]).shape == (3,)
    with pytest.raises(ValueError, match="not fitted"):
        clf.predict(texts)


NEST = ["a b", "c d"]


@pytest.mark.parametrize(
    ("options", "X", "y", "message"),
    [
        ({}, "text.txt", [0, 1], "for a file of labelled lines use read_labelled"),
        ({}, ["a", 1], [0, 1], r"X\[1\] is 1 of type int: expected a str"),
        ({}, ["a", "b\0"], [0, 1], r"X\[1\] holds a NUL or a lone surrogate"),
        ({}, NEST, [0], "y holds one label, 0: need at least 2"),
        ({}, NEST, [0, 1, 2], "2 texts, 3 labels: expected as many"),
        ({}, [], [], "0 texts"),
        ({}, NEST, [0, "a"], "y mixes labels of type str with others"),
        ({}, NEST, [0, ()], r"y\[1\] holds no label"),
        ({}, NEST, None, "y=None: expected a list of labels"),
        ({}, NEST, np.eye(2), r"y\[0\] is an array, .*: expected a label, or a tuple or list of labels"),
        ({}, NEST, [[["a"]], [["b"]]], "labels that cannot be sorted"),
        ({}, NEST, [1.0, np.nan], "y holds NaN"),
        ({"dim": 0}, NEST, [0, 1], "dim=0: expected a whole number"),
        ({"loss": "ns"}, NEST, [0, 1], "loss='ns': expected one of auto, softmax, hs"),
        ({"subwords": (3,)}, NEST, [0, 1], "subwords="),
        ({"lr": 0}, NEST, [0, 1], "lr=0: expected a finite number above 0"),
        ({"n_jobs": 0}, NEST, [0, 1], "n_jobs=0: expected a whole number"),
    ],
)
def test_what_cannot_be_trained_on_is_told(options, X, y, message):
    with pytest.raises(OptionError, match=message):
        TextClassifier(**options).fit(X, y)


@pytest.mark.parametrize(
    ("y", "sample_weight", "message"),
    [
        ([0], None, "2 texts, 1 labels: expected as many"),
        (None, None, "y=None: expected a list of labels"),
        ([0, 1], [0, 0], "expected 2 numbers of at least 0, not all of them 0"),
        ([0, 1], [1], "expected 2 numbers of at least 0"),
        ([0, 1], [2, -1], "expected 2 numbers of at least 0"),
        ([0, 1], "ab", "sample_weight='ab': expected 2 numbers"),
    ],
)
def test_what_cannot_be_scored_is_told(y, sample_weight, message):
    clf = TextClassifier(dim=2, epochs=30).fit(NEST, [0, 1])
    assert clf.score(NEST, [0, 0], sample_weight=[3, 1]) == 0.75
    with pytest.raises(OptionError, match=message):
        clf.score(NEST, y, sample_weight)


def test_a_run_that_diverges_is_told():
    with pytest.raises(DivergedError, match="start again with a smaller lr than"):
        TextClassifier(dim=4, lr=1e30).fit(*toy())


# ---- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["softmax", "hs"])
def test_a_file_gives_the_same_classifier(fitted, loss, tmp_path):
    clf, (texts, _) = fitted[loss], toy(seed=3)
    clf.save(tmp_path / "a.safetensors")
    read = TextClassifier.load(tmp_path / "a.safetensors")
    assert (read.predict_proba(texts) == clf.predict_proba(texts)).all()
    assert (read.top_k(texts, 3)[0] == clf.top_k(texts, 3)[0]).all()
    assert read.losses_ == clf.losses_ and read.get_params()["word_ngrams"] == 2
    read.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_the_vectors_in_a_file_are_those_of_words(fitted, tmp_path):
    fitted["softmax"].save(tmp_path / "a.safetensors")
    vectors = w2v_hs.load_vectors(tmp_path / "a.safetensors")
    assert vectors.words == fitted["softmax"].model_.features.words
    with pytest.raises(FormatError, match="contains a text classifier; 'w2v-hs classify'"):
        w2v_hs.load(tmp_path / "a.safetensors")


def test_labels_keep_their_type(tmp_path):
    for labels in ([7, -1], ["7", "x"]):
        TextClassifier(dim=2).fit(["a", "b"], labels).save(tmp_path / "a.safetensors")
        read = TextClassifier.load(tmp_path / "a.safetensors")
        assert read.classes_.tolist() == sorted(labels)
    for labels, message in (([0.5, 1.5], "labels of type float64"), (["", "x"], "an empty label")):
        with pytest.raises(OptionError, match=message):
            TextClassifier(dim=2).fit(["a", "b"], labels).save(tmp_path / "b.safetensors")
    assert not (tmp_path / "b.safetensors").exists()


def replaced(**arrays):
    return lambda found, description: (
        found | {n.replace("_", "."): a for n, a in arrays.items()},
        description,
    )


def changed(array, value):
    def change(found, description):
        found[array] = found[array].copy()
        found[array].reshape(-1)[-1] = value
        return found, description

    return change


def without(name):
    return lambda found, description: ({n: a for n, a in found.items() if n != name}, description)


def described(part, **values):
    def describe(found, description):
        of = description if part is None else description[part]
        of.update(values)
        return found, description

    return describe


DAMAGES = {
    "a missing array": without("outputs"),
    "no tree": without("tree.nodes"),
    "NaN": changed("vectors", np.nan),
    "Inf": changed("ngrams.vectors", np.inf),
    "another shape": replaced(outputs=np.zeros((3, 12), np.float32)),
    "another dtype": replaced(vectors=np.zeros((20, 12))),
    "a node beyond the tree": changed("tree.nodes", 7),
    "bits that are none": changed("tree.bits", 2),
    "paths that are no tree": lambda found, d: (found | {"tree.bits": 0 * found["tree.bits"]}, d),
    "a vector of a word among those of n-grams": lambda found, d: (
        found
        | {
            "vectors": found["vectors"][:-1],
            "ngrams.vectors": np.concatenate([found["vectors"][-1:], found["ngrams.vectors"]]),
        },
        d,
    ),
    "a bucket beyond all": changed("ngrams.buckets", 5000),
    "a bucket twice": lambda found, d: (found | {"ngrams.buckets": 0 * found["ngrams.buckets"]}, d),
    "labels out of order": lambda found, d: (
        found | {"labels.words.bytes": found["labels.words.bytes"][::-1].copy()},
        d,
    ),
    "a word twice": lambda found, d: (
        found
        | {
            "words.bytes": np.where(
                np.arange(found["words.bytes"].size) < 4, found["words.bytes"], 32
            ).astype(np.uint8)
        },
        d,
    ),
    "another format": described(None, format=2),
    "another kind": described(None, kind="vectors"),
    "an option too many": described("options", window=5),
    "an option out of range": described("options", dim=-1),
    "an option of another type": described("options", epochs="5"),
    "an option that is missing": described("options", dim=None),
    "facts of another type": described("facts", losses=3),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_contents_that_no_classifier_has_are_refused(fitted, damage, tmp_path):
    """The checksum is right: somebody wrote the file as it is."""
    fitted["hs"].save(tmp_path / "a.safetensors")
    save_arrays(tmp_path / "b.safetensors", *damage(*load_arrays(tmp_path / "a.safetensors")))
    with pytest.raises(FormatError) as error:
        TextClassifier.load(tmp_path / "b.safetensors")
    message = str(error.value)
    assert message.startswith(f"{tmp_path}/b.safetensors: ") and message.isprintable()


def test_truncated_and_flipped_files_are_refused(fitted, tmp_path):
    path = tmp_path / "a.safetensors"
    fitted["softmax"].save(path)
    whole = path.read_bytes()
    for at in np.linspace(0, len(whole) - 1, 40).astype(int).tolist():
        for bad in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            path.write_bytes(bad)
            with pytest.raises(FormatError):
                TextClassifier.load(path)
    with pytest.raises(FormatError, match="no such file"):
        TextClassifier.load(tmp_path / "none.safetensors")
