"""The verbs: each joins what ``core`` decides with what ``store`` remembers.

Called by Dagster, the gateway and the CLI. No Dagster, HTTP or printing here, and no SQL: that lives in ``store.lake``.
The stages are those of ``core``.
"""
