"""Words that a format cannot hold, written as others: percent-encoding, which can be undone.

The bytes of a word in UTF-8 are escaped as in addresses (RFC 3986, 2.1), and only where they must
be: white space, control characters, the byte order mark, what is not Unicode, and ``%`` itself.
``new york`` is ``new%20york``, and ``50%`` is ``50%25``. Whatever decodes addresses reads it:
`urllib.parse.unquote` in Python, ``decodeURIComponent`` in a browser.
"""

import re
from urllib.parse import unquote_to_bytes

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError

# White space as `str.isspace` knows it, control characters, U+FEFF, surrogates, and the percent.
_ESCAPED = re.compile("[\\s\0-\x20\x7f-\xa0\ufeff\ud800-\udfff%]")
_BROKEN = re.compile("%(?![0-9A-Fa-f]{2})")


def escape(word: str) -> str:
    """`word` without anything that a format of vectors cannot hold; the empty word stays empty."""
    return _ESCAPED.sub(_percent, word)


def unescape(word: str, place: str = "unescape") -> str:
    """The word that `escape` made `word` from; place: what an error begins with.

    Raises
    ------
    FormatError
        A percent that two hexadecimal digits do not follow, or bytes that are not UTF-8.
    """
    if _BROKEN.search(word):
        raise FormatError(
            f"{place}: '{shown(word, 60)}' holds a '%' without two hexadecimal digits; it is not "
            "escaped"
        )
    try:
        encoded = unquote_to_bytes(word.encode(errors="surrogatepass"))
        return encoded.decode(errors="surrogatepass")
    except UnicodeDecodeError:
        raise FormatError(
            f"{place}: '{shown(word, 60)}' is not UTF-8 when it is unescaped"
        ) from None


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode(errors="surrogatepass"))
