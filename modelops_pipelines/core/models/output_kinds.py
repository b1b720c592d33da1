"""What a version's answers are, settled when it is registered; ``answers`` reads them accordingly."""

PROBABILITIES, SCORES, LABELS, UNKNOWN = "probabilities", "scores", "labels", "unknown"
