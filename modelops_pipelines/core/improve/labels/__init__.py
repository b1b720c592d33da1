"""Which of a prediction's labels counts, and how a label finds its prediction.

Reading them: ``operations.improve.labels``.
"""
