"""Sudden faults in the newest rows: a feature that is gross wrong from one moment to the next, found within seconds.

Changes that take a window, a day or a trained eye to see: the other modules of ``core.drift``.
"""
