"""How far the log reaches, which windows are still to be computed, and whose data was erased.

The log itself is in the lake: ``store.lake``.
"""
