"""`python -m w2v_hs` is `w2v-hs`."""

from w2v_hs.cli import main

main()
