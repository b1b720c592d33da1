"""Objectives: error budgets, burn rates with an exact bound, their messages; and the health score of an endpoint.

What an endpoint's YAML may ask for: ``core.endpoints.validation.slos``. Counting events: ``operations.alerting``.
"""
