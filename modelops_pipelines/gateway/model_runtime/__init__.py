"""A model in memory: loading, probing, batching, and the fastest path that gives the same bytes.

Fetching its files by hash: ``store.registry``. Running one in a process of its own: ``operations.models.sandbox``.
"""
