"""The serving process: receives requests, predicts, captures each answer durably, responds. Never imports Dagster.

``app`` assembles it, ``server`` starts it. It writes no derived table: ``operations`` computes those from the log.
"""
