"""Endpoints' YAML files: reading them, faults by line, checking the functions that they name, finding an endpoint.

The rules themselves: ``core.endpoints``.
"""
