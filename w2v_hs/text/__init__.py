"""Text to numbers: sources -> blocks of bytes -> tokens -> a corpus of word ids.

`sources` finds texts (files, folders, named and NLTK corpora), `blocks` reads them, `corpus`
encodes them and chooses the `vocabulary`; `phrases` joins words that belong together.
"""

from w2v_hs.text.corpus import Corpus, read_corpus
from w2v_hs.text.named import open_text
from w2v_hs.text.phrases import join_phrases
from w2v_hs.text.vocabulary import Vocabulary, load_vocabulary

__all__ = ["Corpus", "Vocabulary", "join_phrases", "load_vocabulary", "open_text", "read_corpus"]
