"""Endpoints' YAML files: reading, faults by line, checking the functions that they name, looking one up.

The rules themselves: ``core.endpoints``.
"""
