"""Follows the endpoints' YAML in a worker: a new configuration is tried beside the one in force, and told when refused.

What a worker serves with it: ``worker.served_endpoint``. Reading the files: ``operations.endpoints``.
"""
