"""Which versions are in a worker's memory: loading at the first request, the budget, what leaves when it is reached.

Pure: ``resident_set``. What a loaded version is: ``gateway.model_runtime``; its process: ``worker.version_processes``.
"""
