"""What maintenance decides: what it deletes and rewrites, and for how long data is kept.

Doing it: ``operations.maintenance``.
"""
