"""A queue of predictions for people to judge, their verdicts, and how far reviewers agree.

Feedback from callers: ``feedback``.
"""
