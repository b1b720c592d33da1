"""Explains sampled rows of the log in a process of its own, and sums up what columns contribute, window by window.

How a row is explained: ``operations.model_runtime.explanations``. On request: ``gateway.hot_path.explanations``.
"""
