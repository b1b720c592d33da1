"""Software-defined assets, one module per stage: thin bodies that open the project and call one operation.

What is computed lives in ``operations``; which tables derive from which in ``core.tables``. Jobs that change what is
live belong to ``jobs``, sensors and schedules to ``sensors``.
"""
