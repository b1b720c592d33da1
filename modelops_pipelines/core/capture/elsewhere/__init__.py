"""Predictions that others made: which column means what, the layouts of other platforms, and ids. No files.

Reading files and writing the lake: ``operations.capture.elsewhere``.
"""
