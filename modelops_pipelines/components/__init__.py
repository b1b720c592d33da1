"""The Dagster component behind an endpoint's YAML: one file makes the assets and checks of one endpoint.

What spans all endpoints (sensors, jobs, resources) is built once, in ``definitions``.
"""
