"""What a trainer receives, and which rows and labels a training set has.

Reading them: ``operations.improve.training``.
"""
