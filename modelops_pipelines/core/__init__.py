"""Decisions: pure functions and frozen values. No I/O, clock, Dagster, MLflow or HTTP.

Time and randomness are arguments. State is kept in ``store``; ``operations`` combines the two. The packages are named
after the loop's stages (``capture``, ``metrics``, ``drift``, ``alerting``, ``improve``, ``release``); all of them use
``tables`` and ``profiles``.
"""
