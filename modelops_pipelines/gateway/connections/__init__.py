"""HTTP connections: what one may take, and all together, before anything is known of the caller.

Who may call is in ``access``; the routes come after both.
"""
