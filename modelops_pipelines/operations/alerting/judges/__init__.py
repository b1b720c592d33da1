"""Judges of single kinds of alert rules. Which windows they judge, and what becomes of verdicts: ``judge_rules``."""
