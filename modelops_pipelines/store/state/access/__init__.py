"""API keys as they are kept: hashes, roles, scopes, never a key itself.

What a key is and allows: ``core.access``.
"""
