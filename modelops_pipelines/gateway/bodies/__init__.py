"""Reading a request's body into columns: MLflow's JSON forms, CSV, the Open Inference Protocol, headers.

Frames for the model: ``gateway.model_runtime.frames``.
"""
