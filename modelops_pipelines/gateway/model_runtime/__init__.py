"""A model in memory: probing, batching, and the fastest prediction path that gives the same bytes as MLflow.

Loading verified model files: ``store.registry``. Running a model in a separate process: ``operations.models.sandbox``.
"""
