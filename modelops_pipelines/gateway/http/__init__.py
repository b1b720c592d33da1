"""Shared by the administrative routes: error bodies, error handlers, request and response models, the guarded router.

The routes themselves: ``gateway.routes``. The prediction routes use only the error bodies: ``gateway.hot_path``.
"""
