"""Comparing versions on the same rows: the gate, the paired comparison, sanity checks, suites' results.

Tests that are looked at while evidence arrives: ``core.release.sequential_tests``.
"""
