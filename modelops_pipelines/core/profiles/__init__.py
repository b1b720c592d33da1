"""Profiles: mergeable summaries of a column in a window, and how they are counted.

Drift verdicts from profiles: ``core.drift``. Profiles as rows of the lake: ``store.lake.rows.profiles``.
"""
