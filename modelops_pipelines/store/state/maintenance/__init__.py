"""The audit of what maintenance has deleted.

Erasures of users' data have records of their own: ``store.state.capture``.
"""
