"""The tests of a column's channels: each has a value, the effect in units of the smallest relevant one, and a p-value.

Which of them count as drift is decided in ``core/drift/calibrated.py``.
"""
