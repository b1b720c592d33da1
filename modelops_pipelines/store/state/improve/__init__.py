"""Training sets, gates' verdicts and retrainings, by their hashes and numbers.

The rows of a training set are in the lake: ``store.lake``.
"""
