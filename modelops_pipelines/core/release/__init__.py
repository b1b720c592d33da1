"""What is live: the desired state, its event log, and the tests that withdraw a version on trial.

The gate before promotion: ``core.evaluation``. Carrying a change out: ``operations.release``.
"""
