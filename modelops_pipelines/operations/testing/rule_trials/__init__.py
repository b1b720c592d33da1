"""Tries alert rules: each one on synthetic requests, through the real path, in a home that is thrown away.

Judging and raising for real: ``operations.alerting``.
"""
