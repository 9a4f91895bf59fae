"""Compiled inner loops, which know arrays only: no words, files, options or printing.

In the order in which they build on each other: how to compile (`jit`), vectors (`llvm`, `simd`,
`tiles`), what training shares (`common`, `copies`, `paths`, `windows`), the training of a model
(`skipgram`, `cbow`, `softmax`), what it predicts (`likelihood`, `probability`, `classifier`), text
(`tokens`, `pairs`), trees (`contexts`, `bisect`, `transfer`) and clusters (`row_changes`).

A module begins with its formulas and their sources. In docstrings, V is the number of words, d or
`dim` the length of a vector and `stride` that of a padded row; "oracle" names the slow float64
function of tests/naive.py, or the test, that a kernel is checked against.
"""
