"""Pages that improve: the review queue, feedback, training sets and retrainings.

What a verdict, a piece of feedback or a set is: ``operations.improve``.
"""
