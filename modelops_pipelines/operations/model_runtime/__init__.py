"""A model in memory: its input example, its fastest identical prediction path, and the proof that it answers.

Used by the gateway's workers and by the processes of ``operations.models``. Batching: ``gateway.model_runtime``.
"""
