"""MLflow's registry: versions, aliases, files by hash, and the drift reference that travels with a version.

The only package that imports MLflow, and only where models are at work.
"""
