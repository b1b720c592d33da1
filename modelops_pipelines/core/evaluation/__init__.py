"""Comparison of versions on the same rows: the gate, the paired comparison, sanity checks, test suites.

Sequential tests, valid at any time: ``core.release.sequential_tests``.
"""
