"""What models answer: kinds of output, and predictions as the log keeps them.

Loading and running models: ``gateway.model_runtime`` and ``operations.models``.
"""
