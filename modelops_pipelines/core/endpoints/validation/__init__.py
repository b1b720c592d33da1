"""What an endpoint's configuration means and may not mean, a module for each of its parts. No shapes: those are parsed.

All of it in order: ``core.endpoints.validate``. Reading YAML: ``operations.endpoints.yaml``.
"""
