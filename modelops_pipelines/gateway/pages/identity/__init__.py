"""Signing in with a provider of identities by OpenID Connect: the authorization code flow with PKCE.

Who may do what: ``core.access.identities``. The file that names the provider: ``operations.governance``.
"""
