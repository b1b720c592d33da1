"""Checks on a training set before anything is trained on it: poison, leaks, selection, duplicates, text.

The statistics: ``core.improve.guards``. The gate on what was trained: ``evaluation``.
"""
