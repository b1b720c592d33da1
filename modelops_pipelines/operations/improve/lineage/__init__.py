"""What a version was made of, and what became of a piece of feedback; told to MLflow and as OpenLineage events.

The sets' own records of their rows: ``training``.
"""
