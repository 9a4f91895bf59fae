"""Trees that users bring: files of codes, nested lists; and how any tree is written to a file.

A file holds ``word bits`` lines, UTF-8, one for each word of the vocabulary in any order, the bits
being the branches from the root to the word, 0 left and 1 right:

    paris 000
    london 001
    coffee 01
    tea 1
"""

import heapq
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError, OptionError
from w2v_hs.files.atomic import replacing
from w2v_hs.options import TreeKind
from w2v_hs.text.vocabulary import Vocabulary, numbered_lines
from w2v_hs.tree.tree import Tree, first_tree, tree_from_children
from w2v_hs.types import Int64, NestedTree

NAMED_TREES: tuple[TreeKind, ...] = ("learned", "huffman", "balanced")


@dataclass(frozen=True)
class Codes:
    """Words with the branches to them, strings of 0 and 1; `name` says where they come from."""

    name: str
    words: list[str]
    codes: list[str]


def read_codes(path: str | Path) -> Codes:
    """Read a file of ``word bits`` lines.

    Raises
    ------
    FormatError
        ``path:line: found, expected``: a malformed line, or a word that stood there before.
    """
    name = shown(path)
    codes: dict[str, str] = {}
    for number, line in numbered_lines(path):
        fields = line.split(maxsplit=2)
        if len(fields) != 2 or fields[1].strip("01"):
            raise FormatError(
                f"{name}:{number}: found {shown(repr(line), 60)}, expected 'word bits', such as "
                "'paris 0110'"
            )
        word, code = fields
        if word in codes:
            first = list(codes).index(word) + 1  # every line holds one word
            raise FormatError(
                f"{name}:{number}: {_quoted(word)} stands in line {first} already; a word is one "
                "leaf: take one of the two out"
            )
        codes[word] = code
    return Codes(name, list(codes), list(codes.values()))


def nested_codes(nested: NestedTree, counts: Mapping[str, int]) -> Codes:
    """Codes of a tree of lists or tuples (or mappings, whose keys name groups), words as leaves.

    A group of more than two members, such as a category, becomes a Huffman tree of its members;
    counts: occurrences of the words, which that takes for weights.

    Raises
    ------
    FormatError
        A group of fewer than two members, a leaf that is no str, a word at two places.
    """
    where = "the nested tree"
    words: list[str] = []
    codes: list[str] = []
    seen: set[str] = set()
    weights: dict[int, int] = {}  # occurrences below each group, by its id; 0 till they are known

    def members(group: NestedTree) -> list[str | NestedTree]:
        return list(group.values()) if isinstance(group, Mapping) else list(group)

    def is_group(item: str | NestedTree) -> TypeGuard[NestedTree]:
        return isinstance(item, (list, tuple, Mapping))

    def weight(member: str | NestedTree) -> int:
        return counts.get(member, 1) if isinstance(member, str) else weights[id(member)]

    # Without recursion: a comb of a thousand levels is a tree too.
    pending: list[tuple[str | NestedTree, bool]] = [(nested, False)]
    while pending:
        item, done = pending.pop()
        if not is_group(item):
            if not isinstance(item, str):
                raise FormatError(
                    f"{where} holds {shown(repr(item), 60)}: expected words, and lists of them"
                )
            if item in seen:
                raise FormatError(f"{where} holds {_quoted(item)} twice; a word is one leaf")
            seen.add(item)
        elif not done:
            if id(item) in weights:
                raise FormatError(f"{where} holds one list at two places, or within itself")
            weights[id(item)] = 0
            inside = members(item)
            if len(inside) < 2:
                held = f"with one child, {shown(repr(inside[0]), 60)}" if inside else "with none"
                raise FormatError(f"{where} holds an inner node {held}; expected two or more")
            pending += [(item, True), *((member, False) for member in inside)]
        else:
            weights[id(item)] = sum(map(weight, members(item)))
    place = itertools.count()
    parts: list[tuple[str | NestedTree, str]] = [(nested, "")]
    while parts:
        item, code = parts.pop()
        if isinstance(item, str):
            words.append(item)
            codes.append(code)
            continue
        heap: list[tuple[int, int, list[tuple[str | NestedTree, str]]]]
        heap = [(weight(m), next(place), [(m, "")]) for m in members(item)]
        if len(heap) > 2:
            heapq.heapify(heap)
        while len(heap) > 2:
            low, _, right = heapq.heappop(heap)
            high, _, left = heapq.heappop(heap)
            joined = [(m, "0" + c) for m, c in left] + [(m, "1" + c) for m, c in right]
            heapq.heappush(heap, (low + high, next(place), joined))
        for side, (_, _, below) in enumerate(heap):
            parts += [(m, f"{code}{side}{c}") for m, c in below]
    return Codes(where, words, codes)


def tree_from_codes(given: Codes, vocabulary: Vocabulary) -> Tree:
    """The tree in which each word of the vocabulary is the leaf that its code says.

    Raises
    ------
    FormatError
        The words are not those of the vocabulary; a code begins another; an inner node has one
        child.
    """
    name, index = given.name, vocabulary.index
    for word in given.words:
        if word not in index:
            raise FormatError(
                f"{name}: {_quoted(word)} is not among the {len(index):,} words of the vocabulary; "
                "take it out, or train with a vocabulary that holds it (vocab, min_count)"
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
    return tree_from_children(_children(codes, [index[word] for word in words]), vocabulary.counts)


def build_tree(
    given: Codes | NestedTree | None, kind: str, order: str, vocabulary: Vocabulary, seed: int
) -> Tree:
    """The tree that a run begins with: of a kind and an order as in `Options` or, where it is not
    None, what is given, `Codes` or nested lists. Raises as `tree_from_codes` and `nested_codes`."""
    words, counts = vocabulary.words, vocabulary.counts
    if given is None:
        return first_tree(kind, order, words, counts, seed)
    if not isinstance(given, Codes):
        given = nested_codes(given, dict(zip(words, counts.tolist(), strict=True)))
    return tree_from_codes(given, vocabulary)


def _check_codes(name: str, words: list[str], codes: list[str]) -> None:
    """Raise `FormatError` unless `codes`, which are sorted, are all the leaves of a tree.

    In a complete tree each code determines how the next begins: the last 0 becomes 1, what follows
    it falls away, and zeros may follow. So one look at neighbours finds every fault.
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


def _children(codes: list[str], rows: list[int]) -> Int64:
    """Children of the inner nodes, as in `tree_from_children`, by codes that `_check_codes` passed.

    Built after the check, for what is no tree may have many more inner nodes than words.
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


def save_codes(path: str | Path, tree: Tree, words: list[str]) -> None:
    """Write a tree as ``word bits`` lines, most frequent word first.

    Raises `FormatError` for a word that such a line cannot hold.
    """
    with replacing(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as out:
        for row, word in enumerate(words):
            if word.split() != [word]:
                raise FormatError(f"{shown(path)}: the word {_quoted(word)} holds white space")
            out.write(f"{word} {tree.code(row)}\n")


def _quoted(word: str) -> str:
    return f"'{shown(word, 60)}'"


def _shown_code(code: str) -> str:
    if not code:
        return "at the root"
    return code if len(code) <= 60 else f"{code[:60]}..."


def choose_tree(tree: str | Path | NestedTree) -> tuple[TreeKind, Codes | NestedTree | None]:
    """What a user gave for a tree, as the option `tree` and the tree itself, if it is one.

    A file is read here, before any text is.
    """
    if isinstance(tree, str) and tree in NAMED_TREES:
        return tree, None
    if isinstance(tree, (list, tuple, Mapping)):
        return "given", tree
    if isinstance(tree, Path) or (isinstance(tree, str) and Path(tree).exists()):
        return "given", read_codes(tree)
    raise OptionError(
        f"tree={shown(repr(tree), 60)}: expected one of {', '.join(NAMED_TREES)}, or a file of "
        "'word bits' lines; there is no such file"
    )
