"""What decides: pure functions and frozen values. No I/O, clock, Dagster, MLflow or HTTP.

Time and chance are arguments. What remembers lives in ``store``, the verbs that join the two in ``operations``. Inside,
the stage words of the loop: ``capture``, ``metrics``, ``drift``, ``alerting``, ``improve``, ``release``, on shared
ground (``tables``, ``profiles``).
"""
