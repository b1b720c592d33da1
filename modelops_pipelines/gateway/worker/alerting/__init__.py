"""Watches what can be judged within seconds: live counts and the newest captured rows. One worker of a home does.

Judging: ``core.alerting.live_rules``. Windows, and all that needs the lake, are judged by Dagster's runs.
"""
