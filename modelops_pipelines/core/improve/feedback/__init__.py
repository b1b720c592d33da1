"""The states of feedback and its numbers, from its history. Doing it: ``operations.improve.feedback``."""
