"""Kinds of model output. A version's kind is set at registration; ``predictions`` interprets the output by it."""

PROBABILITIES, SCORES, LABELS, UNKNOWN = "probabilities", "scores", "labels", "unknown"
