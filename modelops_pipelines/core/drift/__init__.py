"""Whether a window's data differ from a reference: distances, calibration, verdicts, severity, data quality.

Profiles, which the distances are taken of: ``core.profiles``. Reading and writing them: ``operations.drift``.
"""
