"""Reads YAML files of endpoints and of alerting into values, with the line of each fault. Shapes only.

What the values mean: ``core.endpoints.validation``.
"""
