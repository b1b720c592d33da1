"""Commands on alerts: alerts themselves, silences, rules, and messages that were given up.

They call ``operations.alerting``; ``group`` puts them together.
"""
