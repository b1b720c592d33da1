"""Maintenance of what is no table of the lake: Dagster's history, models, reports, logs, databases; and its sizes.

Tables of the lake: the modules beside this folder.
"""
