"""What watches a run, and may halt or end it.

`interruption` writes a `checkpoint` from time to time and where a signal stops the run, `run_texts`
finds the text again, `holdout` measures sentences set aside, `epochs` calls the user's callbacks.
"""
