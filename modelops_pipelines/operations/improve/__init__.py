"""Training sets, training, evaluation and retraining.

Putting the result live: ``operations.release``. When to retrain is decided in ``core.improve``.
"""
