"""What holds across endpoints: erasing a person's data, API keys, key usage.

Enforcing keys on requests: ``gateway.access``.
"""
