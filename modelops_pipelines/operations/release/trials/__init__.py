"""A version beside another: on trial, in an A/B test, on probation or as a shadow; judged, advanced and withdrawn.

Verdicts are made in ``core.release``. The changes that follow are made by the modules one folder up.
"""
