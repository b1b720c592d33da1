"""Deploy, promote, roll back, and MLflow's aliases kept in step; ``trials`` judges versions beside one another.

What is allowed next is decided in ``core.release``; the state is kept by ``store.state.release.deployments``.
"""
