"""Pages for people: HTML over the same operations as the routes, in the gateway's process.

What has no page's words or looks lives elsewhere: numbers in ``operations``, routes for programs in ``gateway.routes``.
"""
