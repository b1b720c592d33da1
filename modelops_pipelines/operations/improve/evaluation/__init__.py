"""A candidate compared with the champion on the same rows, in a process of its own, and what holds up a pass.

The statistics: ``core.evaluation``.
"""
