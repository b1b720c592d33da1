"""What the administrative routes share: error bodies, handlers, request and response models, the guarded router.

The routes themselves: ``gateway.routes``. The prediction route does without: ``gateway.hot_path``.
"""
