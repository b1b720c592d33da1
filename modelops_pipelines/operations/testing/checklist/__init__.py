"""The checklist of a deployment: what is looked at before, during and after it, each with its evidence.

What counts of requests say is judged in ``core.release.checklist``.
"""
