"""What people said about predictions: found, counted, flagged, assigned, deleted, and accepted as labels.

A queue that reviewers work off: ``review``. How it becomes training rows: ``training``.
"""
