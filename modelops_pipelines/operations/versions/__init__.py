"""A version that a command names: read from the registry and recorded when it is not known here yet.

Running a version: ``operations.models``. Putting it live: ``operations.release``. Judging it: ``operations.improve``.
"""
