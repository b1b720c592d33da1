"""The serving process: takes requests, lets a model answer, makes the answer durable, sends it. Never imports Dagster.

``app`` puts it together, ``server`` starts it. It writes no derived table: ``operations`` does, from what was captured.
"""
