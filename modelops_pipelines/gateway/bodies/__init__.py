"""Parses a request's headers, and its body into columns: MLflow's JSON forms, CSV, the Open Inference Protocol.

DataFrames for the model: ``operations.model_runtime.frames``.
"""
