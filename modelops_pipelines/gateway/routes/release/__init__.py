"""Routes on versions on trial, shadows, A/B tests, archived versions, test runs and the history of changes.

Deploys, promotions and rollbacks, and lists of deployments and versions, are in ``releases``.
"""
