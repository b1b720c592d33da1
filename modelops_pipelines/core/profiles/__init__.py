"""Profiles: mergeable summaries of a column in a window, and how they are counted.

What is concluded from them: ``core.drift``. How they lie in the lake: ``store.lake.profile_rows``.
"""
