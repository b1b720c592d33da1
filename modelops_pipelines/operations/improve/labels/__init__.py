"""Labels from files, queries and tables, joined to predictions by any key, kept until they match.

Which of several labels of a prediction counts: ``core.improve.labels``.
"""
