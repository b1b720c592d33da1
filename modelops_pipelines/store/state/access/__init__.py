"""Stored API keys: hashes, roles, scopes, never a key itself.

The form of keys, and what they permit: ``core.access``.
"""
