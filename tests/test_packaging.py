"""What the package says of itself: version, extras, types. Building it: .ci/packages."""

import itertools
import re
import tomllib
from pathlib import Path

import w2v_hs

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_citation_and_changelog_know_the_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == w2v_hs.version.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", changelog, re.MULTILINE)[1] == w2v_hs.version.__version__


def test_types_come_with_the_package():
    assert Path(w2v_hs.__file__).with_name("py.typed").exists()
    names = set(re.findall(r"^    from .* import (\w+) as \1$", Path(w2v_hs.__file__).read_text(), re.M))
    assert names == set(w2v_hs.__all__) - {"__version__"}  # type checkers see what there is


def test_all_is_all_extras_for_users():
    extras = PROJECT["optional-dependencies"]
    for_users = extras.keys() - {"all", "test", "docs", "dev"}
    assert set(re.fullmatch(r"w2v-hs\[(.*)\]", *extras["all"])[1].split(",")) == for_users


def test_every_requirement_has_a_lower_bound():
    extras = PROJECT["optional-dependencies"].values()
    for requirement in itertools.chain(PROJECT["dependencies"], *extras):
        assert ">=" in requirement or requirement.startswith("w2v-hs["), requirement
