"""Logs of predictions that others made become rows of our log: sources, conversion, and the commits by day.

What a column means and single values: ``core.capture.elsewhere``. Rows that a gateway took: ``operations.capture``.
"""
