"""Compiled inner loops, which know arrays only: no words, files, options or printing.

In the order in which they build on each other: compilation (`jit`), vectors (`llvm`, `simd`,
`tiles`), what training shares (`common`, `copies`, `paths`, `subwords`, `windows`), training
(`skipgram`, `cbow`, `softmax`), prediction (`likelihood`, `probability`, `classifier`), text
(`words`, `tokens`, `pairs`) and its classification (`text_classifier`), trees (`contexts`,
`bisect`, `transfer`) and clusters (`row_changes`).

A module begins with its formulas and their sources. V is the number of words, d or `dim` the length
of a vector, `stride` that of a padded row. An "oracle" is the slow float64 function of
tests/naive.py, or the test, that a kernel is checked against.
"""
