"""Sequential tests and guards under continuous monitoring, all simulated: ``python -m benchmarks.sequential``."""
