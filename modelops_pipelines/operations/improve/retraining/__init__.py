"""When to retrain, and doing so: the trainer in a process of its own, and the version that it makes.

The rows that it is trained on: ``training``. Whether the version is better: ``evaluation``.
"""
