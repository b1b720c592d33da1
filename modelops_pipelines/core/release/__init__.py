"""Releases: the desired state, its event log, and the tests that roll back a version on trial.

The gate before promotion: ``core.evaluation``. Making changes: ``operations.release``.
"""
