"""Pages that release: versions, what is live, its history, and the changes that a person may make.

What a change is and whether it may happen: ``operations.release``.
"""
