"""User-supplied trees: files of codes and nested lists; and how any tree is written to a file.

A file has a line ``word bits``, in UTF-8, for each word of the vocabulary, in any order. The bits
are the branches from the root to the word, 0 left and 1 right:

    paris 000
    london 001
    coffee 01
    tea 1
"""

import heapq
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np

from w2v_hs.checks import is_integer, shown
from w2v_hs.errors import FormatError, OptionError
from w2v_hs.files.atomic import replacing
from w2v_hs.options import TreeKind
from w2v_hs.text.vocabulary import Vocabulary, check_fits_line, numbered_lines
from w2v_hs.tree.tree import Tree, initial_tree, tree_from_children
from w2v_hs.types import Int64, NestedTree, Word

NAMED_TREES: tuple[TreeKind, ...] = ("learned", "huffman", "balanced")

Node = Word | NestedTree  # a word, or a group of nodes


@dataclass(frozen=True)
class Codes:
    """Words and the branches to them."""

    name: str  # where they come from, for messages
    words: list[str]
    codes: list[str]  # strings of 0 and 1


def choose_tree(tree: str | Path | NestedTree) -> tuple[TreeKind, Codes | NestedTree | None]:
    """The option `tree` and, if the user supplied a tree, that tree.

    A file is read now, before any text is. `OptionError` if `tree` is neither a name of
    `NAMED_TREES`, nor a file, nor nested lists; `FormatError` as in `read_codes`.
    """
    if isinstance(tree, str) and tree in NAMED_TREES:
        return tree, None
    if isinstance(tree, (list, tuple, Mapping)):
        return "given", tree
    if isinstance(tree, Path) or (isinstance(tree, str) and os.path.exists(tree)):  # noqa: PTH110 (never raises)
        return "given", read_codes(tree)
    raise OptionError(
        f"tree={shown(repr(tree), 60)}: expected one of {', '.join(NAMED_TREES)}, or a file of "
        "'word bits' lines; there is no such file"
    )


def build_tree(
    given: Codes | NestedTree | None, kind: str, order: str, vocabulary: Vocabulary, seed: int
) -> Tree:
    """The tree that training begins with, over the words of a vocabulary.

    `given` is a user-supplied tree. Without one, `kind` and `order` are `tree` and `tree_order` as
    in `Options`, and `seed` is for a random order of words. `FormatError` as in `nested_codes` and
    `tree_from_codes`.
    """
    words, counts = vocabulary.words, vocabulary.counts
    if given is None:
        return initial_tree(kind, order, words, counts, seed)
    if not isinstance(given, Codes):
        given = nested_codes(given, dict(zip(words, counts.tolist(), strict=True)))
    return tree_from_codes(given, vocabulary)


# ---- files of codes -----------------------------------------------------------------------------


def read_codes(path: str | Path) -> Codes:
    """Read a file of ``word bits`` lines; `FormatError` if one is malformed, or repeats a word."""
    name = shown(path)
    codes: dict[str, str] = {}
    for number, line in numbered_lines(path):
        fields = line.split(maxsplit=2)
        if len(fields) != 2 or fields[1].strip("01"):
            raise FormatError(
                f"{name}:{number}: found {shown(repr(line), 60)}, expected 'word bits', such as 'paris 0110'"
            )
        word, code = fields
        if word in codes:
            first = list(codes).index(word) + 1  # every line holds one word
            raise FormatError(
                f"{name}:{number}: {_quoted(word)} stands in line {first} already; a word is one "
                "leaf: remove one of the two lines"
            )
        codes[word] = code
    return Codes(name, list(codes), list(codes.values()))


def save_codes(path: str | Path, tree: Tree, words: list[str]) -> None:
    """Write a tree as ``word bits`` lines, most frequent word first.

    `FormatError` if a word holds white space or is not text; `OutputError` if the file cannot be
    written.
    """
    with replacing(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as out:
        for row, word in enumerate(words):
            check_fits_line(word, path)
            out.write(f"{word} {tree.code(row)}\n")


# ---- nested lists -------------------------------------------------------------------------------


def nested_codes(nested: NestedTree, counts: Mapping[str, int]) -> Codes:
    """Codes of a tree of lists, tuples or mappings, whose keys only name groups.

    Words are the leaves. A group of more than two members, such as a category, becomes a Huffman
    tree of its members, weighted by `counts`, 1 for a word that it lacks. `FormatError` if a group
    has fewer than two members, a leaf is neither str nor int, or a word occurs twice.
    """
    weights = _group_weights(nested, counts)
    place = itertools.count()
    words: list[str] = []
    codes: list[str] = []
    pending: list[tuple[Node, str]] = [(nested, "")]
    while pending:
        node, code = pending.pop()
        if not _is_group(node):
            words.append(str(node))
            codes.append(code)
            continue
        # Huffman: trees of members, until two are left; the place breaks ties.
        heap: list[tuple[int, int, list[tuple[Node, str]]]]
        heap = [(_weight(m, counts, weights), next(place), [(m, "")]) for m in _members(node)]
        if len(heap) > 2:
            heapq.heapify(heap)
        while len(heap) > 2:
            low, _, right = heapq.heappop(heap)
            high, _, left = heapq.heappop(heap)
            joined = [(m, "0" + c) for m, c in left] + [(m, "1" + c) for m, c in right]
            heapq.heappush(heap, (low + high, next(place), joined))
        for side, (_, _, below) in enumerate(heap):
            pending += [(m, f"{code}{side}{c}") for m, c in below]
    return Codes("the nested tree", words, codes)


def _group_weights(nested: NestedTree, counts: Mapping[str, int]) -> dict[int, int]:
    """Occurrences of the words below each group, by the id of the group; checks the whole tree."""
    where = "the nested tree"
    seen: set[str] = set()
    weights: dict[int, int] = {}  # 0 until known
    # A stack instead of recursion, for a comb of a thousand levels. Groups are visited twice, and
    # weighed after their members.
    pending: list[tuple[Node, bool]] = [(nested, False)]
    while pending:
        node, done = pending.pop()
        if not _is_group(node):
            if not isinstance(node, str) and not is_integer(node):
                raise FormatError(f"{where} holds {shown(repr(node), 60)}: expected words, and lists of them")
            if str(node) in seen:
                raise FormatError(f"{where} holds {_quoted(str(node))} twice; a word is one leaf")
            seen.add(str(node))
        elif not done:
            if id(node) in weights:
                raise FormatError(f"{where} holds one list at two places, or within itself")
            weights[id(node)] = 0
            members = _members(node)
            if len(members) < 2:
                found = f"one child, {shown(repr(members[0]), 60)}" if members else "none"
                raise FormatError(f"{where} holds an inner node with {found}; expected two or more children")
            pending += [(node, True), *((member, False) for member in members)]
        else:
            weights[id(node)] = sum(_weight(m, counts, weights) for m in _members(node))
    return weights


def _weight(node: Node, counts: Mapping[str, int], weights: Mapping[int, int]) -> int:
    """Occurrences of a word, or of the words of a group whose weight is known."""
    return weights[id(node)] if _is_group(node) else counts.get(str(node), 1)


def _is_group(node: Node) -> TypeGuard[NestedTree]:
    return isinstance(node, (list, tuple, Mapping))


def _members(group: NestedTree) -> list[Node]:
    return list(group.values()) if isinstance(group, Mapping) else list(group)


# ---- from codes to a tree -----------------------------------------------------------------------


def tree_from_codes(given: Codes, vocabulary: Vocabulary) -> Tree:
    """The tree in which each word of the vocabulary is the leaf with its code.

    `FormatError` if the words are not those of the vocabulary, a code is a prefix of another, or an
    inner node has one child.
    """
    name, index = given.name, vocabulary.index
    for word in given.words:
        if word not in index:
            raise FormatError(
                f"{name}: {_quoted(word)} is not among the {len(index):,} words of the vocabulary; "
                "remove it, or train with a vocabulary that holds it (vocab, min_count)"
            )
    if len(given.words) < len(index):
        known = set(given.words)
        missing = next(word for word in vocabulary.words if word not in known)
        raise FormatError(
            f"{name}: {len(index) - len(given.words):,} of the {len(index):,} words of the "
            f"vocabulary are missing, the first of them {_quoted(missing)}"
        )
    order = sorted(range(len(given.codes)), key=given.codes.__getitem__)
    codes = [given.codes[i] for i in order]
    words = [given.words[i] for i in order]
    _check_codes(name, words, codes)
    children = _children_from_codes(codes, [index[word] for word in words])
    return tree_from_children(children, vocabulary.counts)


def _check_codes(name: str, words: list[str], codes: list[str]) -> None:
    """Raise `FormatError` unless the sorted `codes` are all the leaves of one tree.

    In a complete tree each code determines how the next one begins: its last 0 becomes 1, and what
    follows that is dropped; zeros may follow. So comparing neighbours finds every fault.
    """

    def one_child(node: str, word: str) -> FormatError:
        return FormatError(
            f"{name}: the inner node {_shown_code(node)} above {_quoted(word)} has one child; "
            "every inner node needs two"
        )

    begin = ""
    for place, (word, code) in enumerate(zip(words, codes, strict=True)):
        if place and code.startswith(codes[place - 1]):
            raise FormatError(
                f"{name}: {_quoted(words[place - 1])} has the code "
                f"{_shown_code(codes[place - 1])}, with which that of {_quoted(word)} begins, "
                f"{_shown_code(code)}; no code may begin another"
            )
        if not code.startswith(begin):
            raise one_child(begin[:-1], words[place - 1])
        if "1" in code[len(begin) :]:
            raise one_child(code[: code.index("1", len(begin))], word)
        stem = code.rstrip("1")
        begin = stem[:-1] + "1"
    if codes[-1].rstrip("1"):
        raise one_child(begin[:-1], words[-1])


def _children_from_codes(codes: list[str], rows: list[int]) -> Int64:
    """Children as in `tree_from_children`, of sorted codes that `_check_codes` accepted.

    Unchecked codes may have many more inner nodes than words.
    """
    children = np.empty((len(codes) - 1, 2), np.int64)
    path: list[int] = []  # the inner nodes above the leaf
    made = 0
    for code, row in zip(codes, rows, strict=True):
        for depth in range(len(path), len(code)):  # those of which this is the first leaf
            if path:
                children[path[-1], int(code[depth - 1])] = len(codes) + made
            path.append(made)
            made += 1
        children[path[-1], int(code[-1])] = row
        del path[len(code.rstrip("1")) :]
    return children


def _quoted(word: str) -> str:
    return f"'{shown(word, 60)}'"


def _shown_code(code: str) -> str:
    if not code:
        return "at the root"
    return code if len(code) <= 60 else f"{code[:60]}..."
