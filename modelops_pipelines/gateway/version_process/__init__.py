"""A process for each version that runs code of its own: launching it, asking it, noticing that it ended or hangs.

How a loaded version predicts: ``gateway.model_runtime``. What follows from a crash: ``core.release.crash_guard`` and
``operations.release.trials.crashes``.
"""
