"""Model output: its kinds, and predictions as they are logged.

Loading and running models: ``gateway.model_runtime`` and ``operations.models``.
"""
