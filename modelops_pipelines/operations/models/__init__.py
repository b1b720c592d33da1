"""Models outside the gateway: a version in a process of its own, tried or answering rows; example requests, snippets.

A model in memory: ``operations.model_runtime``. Training: ``operations.improve``.
"""
