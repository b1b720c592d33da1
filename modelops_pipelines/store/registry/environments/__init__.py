"""Environments of versions that run apart: their requirements, built once by uv, and a process that answers there.

What runs in that process, with the version's own Python and packages: ``operations.model_runtime.environment``. Which
endpoints have it: ``runtime: isolated`` of ``core.endpoints.spec``.
"""
