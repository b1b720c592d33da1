"""What a prediction owes to each column: values by sampled orders, and how their shares change over time.

Pure numbers. Exact values come from the models' own libraries: ``operations.model_runtime.explanations``.
"""
