"""What goes into a model and what comes out: typed columns, forms and kinds of output, predictions as they are logged.

Loading and running models: ``operations.model_runtime`` and ``gateway.model_runtime``.
"""
