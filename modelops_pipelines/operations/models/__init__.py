"""Models outside the gateway: a version in a sandbox process, example requests, client snippets.

Serving: ``gateway.model_runtime``. Training: ``operations.improve``.
"""
