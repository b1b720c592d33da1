"""The Dagster component behind an endpoint's YAML: one file defines the assets and checks of one endpoint.

Sensors, jobs and resources are shared by all endpoints and built once, in ``definitions``.
"""
