"""Files of rated pairs with named columns, and lines that no test set has."""

import numpy as np
import pytest

from w2v_hs import evaluate
from w2v_hs.errors import EvaluationError, OptionError
from w2v_hs.evaluation.testsets import LINE_BYTES, Pair, find_pairs, find_questions
from w2v_hs.vectors.vectors import Vectors

PAIRS = [Pair("old", "new", 1.58), Pair("new york", "city", 7.0)]


def written(tmp_path, text, name="set.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "# from somewhere\n\n"])
@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("word1,word2,score\nold,new,1.58\nnew york,city,7\n", None),
        ("Word 1\tWord 2\tHuman (mean)\nold\tnew\t1.58\nnew york\tcity\t7.0\n", None),
        ('word1,word2,score\n"old", "new", "1.58"\n"new york",city,7e0\n', None),
        ("id,a,b,pos,r\n1,old,new,A,1.58\n2,new york,city,N,7\n", ("a", "b", "r")),
        ("r;x\tb\ta\n1.58\tnew\told\n7\tcity\tnew york\n", ("a", "b", "r;x")),
        ("a\tb\tr\tnote\nold\tnew\t1.58\t\nnew york\tcity\t7\tx y\n", ("a", "b", "r")),
    ],
    ids=["comma", "tab", "quotes", "chosen", "another order", "an empty last field"],
)
def test_a_table_with_named_columns(tmp_path, text, columns, start, end):
    path = written(tmp_path, start + text.replace("\n", end))
    found = find_pairs(path, columns)
    assert found.pairs == PAIRS
    assert found.columns == list(columns or found.columns)
    assert len(found.columns) == 3


def test_a_table_separated_by_white_space(tmp_path):
    path = written(tmp_path, "word1 word2 POS SimLex999\nold  new A 1.58\nsmart dumb A 0.55\n")
    found = find_pairs(path, ("word1", "word2", "SimLex999"))
    assert found.pairs == [Pair("old", "new", 1.58), Pair("smart", "dumb", 0.55)]


def test_a_quoted_field_may_hold_the_separator(tmp_path):
    path = written(tmp_path, 'a,b,r\n"1,000",thousand,9\n"say ""hi""",greet,5\n')
    assert find_pairs(path).pairs == [Pair("1,000", "thousand", 9.0), Pair('say "hi"', "greet", 5.0)]


def test_a_file_without_a_header_has_no_columns(tmp_path):
    found = find_pairs(written(tmp_path, "old,new,1.58\nnew york,city,7\n"))
    assert (found.pairs, found.columns) == (PAIRS, None)


def test_the_columns_that_were_read_stand_in_the_result(tmp_path):
    path = written(tmp_path, "x,y,n,score\na,b,1,3\nb,c,2,4\na,c,3,1\n")
    vectors = Vectors(["a", "b", "c"], np.array([[1, 0], [1, 1], [0, 1]]))
    result = evaluate(vectors, analogies=[], similarity=path, columns=("x", "y", "score"))
    assert result.similarity[0].columns == ["x", "y", "score"]
    assert result.similarity[0].spearman == pytest.approx(0.866, abs=1e-3)  # cosines .71 .71 0


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (
            "a,b,pos,r\nold,new,A,1\n",
            None,
            ":1: found a header of 4 columns, 'a, b, pos, r'; expected three: name those of the "
            "two words and of the number with --columns (columns=)",
        ),
        (
            "a,b,r\nold,new,1\n",
            ("a", "b", "score"),
            ":1: found no column 'score' in the header 'a, b, r'; expected each name that is given once",
        ),
        (
            "a,b,r,r\nold,new,1,2\n",
            ("a", "b", "r"),
            ":1: found more than one column 'r' in the header 'a, b, r, r'; "
            "expected each name that is given once",
        ),
        (
            "a,b,r\nold,new,1\n",
            ("a", "a", "r"),
            ":1: the columns 'a, a, r': one is named twice; "
            "expected those of the two words and of the number",
        ),
        (
            "old,new,1.58\n",
            ("a", "b", "r"),
            ":1: found no column 'a' in the header 'old, new, 1.58'; expected each name that is given once",
        ),
        ("a,b,r\nold,new,1\nold,new\n", None, ":3: found 2 fields; expected 3 as in the header"),
        (
            "a,b,r\n\n# more\nold,new,much\n",
            None,
            ":4: found 'old,new,much'; expected two words and a number in the columns 'a, b, r'",
        ),
        (
            "a,b,r\n,new,3\n",
            None,
            ":2: found ',new,3'; expected two words and a number in the columns 'a, b, r'",
        ),
        (
            'a,b,r\n"old,new,3\n',
            None,
            ":2: found '\"old,new,3'; expected comma-separated values: unexpected end of data",
        ),
        ("a,b,r\n", None, ": found no pair; expected lines of two words and a number"),
        ("x" * LINE_BYTES + " y 1\n", None, ":1: a line of more than 1,048,576 bytes; is it the right file?"),
    ],
    ids=[
        "four columns",
        "no such column",
        "twice",
        "named twice",
        "no header",
        "too few fields",
        "no number",
        "no word",
        "an open quote",
        "nothing below",
        "no line end",
    ],
)
def test_a_faulty_table_is_an_error_with_its_line(tmp_path, text, columns, message):
    path = written(tmp_path, text)
    with pytest.raises(EvaluationError) as raised:
        find_pairs(path, columns)
    assert str(raised.value) == f"{path}{message}"


def test_questions_without_line_ends_are_refused(tmp_path):
    with pytest.raises(EvaluationError, match=":2: a line of more than"):
        find_questions(written(tmp_path, "\n" + "a b c d " * (LINE_BYTES // 8 + 1)))


@pytest.mark.parametrize("columns", ["abc", ("a", "b"), ("a", "b", 3), 5, ("a", "b", "c", "d")])
def test_columns_are_three_names(columns):
    with pytest.raises(OptionError, match=r"columns is .*; expected the names of three columns"):
        evaluate(Vectors(["a"], np.ones((1, 1))), columns=columns)


def test_columns_are_not_asked_of_the_sets_known_by_name(gensim):
    assert len(find_pairs("wordsim353", ("a", "b", "c")).pairs) == 353


@pytest.mark.parametrize("score", ["nan", "inf", '"1,5"'])
def test_a_first_line_with_a_wrong_score_is_no_header(tmp_path, score):
    path = tmp_path / "pairs.csv"
    path.write_text(f"w0,w1,{score}\nw2,w3,2\n")
    with pytest.raises(EvaluationError, match=r"pairs\.csv:1: found"):
        find_pairs(path)
