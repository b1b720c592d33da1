"""The gateway's processes: what starts workers, replaces them, restarts them one by one, and ends them without a loss.

What a worker does: ``gateway.app``. A version's own process: ``gateway.version_process``.
"""
