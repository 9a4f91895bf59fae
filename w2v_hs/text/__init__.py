"""From text to a corpus of word ids: sources -> blocks of bytes -> tokens -> rows of a vocabulary.

`sources` finds text (files, folders, `named_corpora`) and reads it; `blocks` cuts it between
tokens; `word_ids` numbers these; `corpus` chooses the `vocabulary`, in which `tokenizing` looks for
signs of text that was not tokenized; `phrases` joins words.
"""

from w2v_hs.text.corpus import Corpus, read_corpus
from w2v_hs.text.named_corpora import open_text
from w2v_hs.text.phrases import join_phrases
from w2v_hs.text.vocabulary import Vocabulary, load_vocabulary
from w2v_hs.text.word_ids import are_paths

__all__ = ["Corpus", "Vocabulary", "are_paths", "join_phrases", "load_vocabulary", "open_text", "read_corpus"]
