"""Compiled inner loops. They know arrays only: no words, no files, no options, no printing."""
