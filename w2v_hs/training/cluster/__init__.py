"""Training on the workers of a Dask cluster, in rounds of local SGD. `api.train_on` is the start.

`run` submits the rounds, `rounds` is what one worker does in one, `shards` and `text` read the
text where the workers are, `costs` chooses the number of rounds, `client` talks to Dask.
"""
