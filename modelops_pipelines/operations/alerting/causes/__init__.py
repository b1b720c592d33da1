"""Finds what an alert probably comes from (a release, drifted or faulty columns, a segment, a run), and pages about it.

What is not found, or not in time, is left out. How it is written in a message: ``channels``.
"""
