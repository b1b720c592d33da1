"""Simulated endpoints whose verdicts were never looked at while the methods were tuned; day by day, from seeds."""
