"""Records of feedback, training sets, gate verdicts and retrainings.

The rows of a training set are in the lake: ``store.lake``.
"""
