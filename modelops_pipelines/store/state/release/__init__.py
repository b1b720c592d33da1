"""Releases: desired state, events, deployments, trials, and runs of test suites.

Allowed changes: ``core.release``.
"""
