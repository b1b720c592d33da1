"""Platforms that run the product's processes. ``local``: gateway, Dagster and MLflow on this machine.

A connector to another platform belongs here too.
"""
