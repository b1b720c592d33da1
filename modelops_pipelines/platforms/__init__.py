"""Where the product's processes run. ``local``: gateway, Dagster and MLflow on this machine.

A connector to somebody else's platform belongs beside it.
"""
