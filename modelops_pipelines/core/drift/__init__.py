"""Drift of a window from its reference: distances, calibration, verdicts, severity, and data quality.

The profiles that are compared: ``core.profiles``. Reading and writing them: ``operations.drift``.
"""
