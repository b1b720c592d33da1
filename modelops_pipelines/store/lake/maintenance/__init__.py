"""Rewrites and removals that keep tables small and change no row: compaction, vacuum; and the retirement of old days.

What is due, and when: ``core.maintenance``. Removing a person's rows: ``store.lake.eraser``.
"""
