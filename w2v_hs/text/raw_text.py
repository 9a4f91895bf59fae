"""Signs that a text is raw: words that differ from others only by punctuation or case."""

import re
import warnings
from collections import Counter, defaultdict

from w2v_hs.checks import option, quoted

_WORDS = 10_000  # the most frequent ones are looked at
_PUNCTUATED, _CASED = 0.05, 0.1  # shares; tokenized text has 0.01 at most, with capitals 0.16 to 0.22
_PUNCTUATION = re.compile(r"^[\W_]+|[\W_]+$")


def warn_of_raw_text(words: list[str], lists: bool = False) -> None:
    """Warn if many words differ from others only by punctuation at an end, or by case.

    `words` come by falling frequency, from text or from `lists` of tokens. The warning names the
    options that would join them.
    """
    words = words[:_WORDS]
    by_letters = defaultdict(list)
    for word in words:
        by_letters[_PUNCTUATION.sub("", word).casefold()].append(word)
    by_letters.pop("", None)
    alike = [word for group in by_letters.values() if len(group) > 1 for word in group]
    folded = Counter(map(str.casefold, words))
    punctuated = {word for word in alike if _PUNCTUATION.search(word)}
    cased = {word for word in alike if folded[word.casefold()] > 1}
    found: set[str] = set()
    differences, advice = [], []
    if len(punctuated) > _PUNCTUATED * len(words):
        found, differences = found | punctuated, ["punctuation"]
        tokenize = option("tokenize", "words")
        advice.append(f"the path of the text with {tokenize}" if lists else tokenize)
    if len(cased) > _CASED * len(words):
        found, differences = found | cased, [*differences, "case"]
        advice.append(option("lowercase", True))
    if not found:
        return
    first = next(word for word in words if word in found)
    other = next(word for word in by_letters[_PUNCTUATION.sub("", first).casefold()] if word != first)
    warnings.warn(
        f"{len(found) / len(words):.0%} of the words differ from others only by "
        f"{' or '.join(differences)}, such as {quoted(first)} and {quoted(other)}; to join them give "
        f"{' and '.join(advice)}",
        stacklevel=2,
    )
