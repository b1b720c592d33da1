"""What is live and how it came to be: desired state, events, deployments, trials, suites' results.

Which changes are legal: ``core.release``.
"""
