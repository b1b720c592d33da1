"""Deploy, promote, roll back, canary, A/B test, shadow, and MLflow's aliases kept in step.

What is allowed next is decided in ``core.release``; the state is kept by ``store.state.release.deployments``.
"""
