"""Software-defined assets, one module a stage: thin bodies that open the project and call one operation.

What is computed lives in ``operations``; which tables derive from which in ``core.tables``. Jobs that change what is
live belong to ``jobs``, what watches and acts to ``sensors``.
"""
