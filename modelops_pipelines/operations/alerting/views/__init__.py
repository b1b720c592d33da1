"""Alerts, silences and messages as people see them: the same rows for the CLI, HTTP and Dagster.

What people do with them: ``act_on_alerts``. What a channel is sent: ``compose``.
"""
