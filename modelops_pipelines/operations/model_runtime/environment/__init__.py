"""What runs in a version's own environment, with its Python and its packages: a launcher, and processes that answer.

Only the standard library, NumPy and MLflow of that environment are used, and those modules of ours that need no more: a
test holds the list. The other side is ``store.registry.environments``.
"""
