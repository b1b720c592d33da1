"""When to retrain: signals, enough new labels, cool-down, budget. Doing so: ``operations.improve.retraining``."""
