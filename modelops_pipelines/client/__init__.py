"""A client of the gateway for Python programs and notebooks: ``from modelops_pipelines import Client, AsyncClient``.

``calls`` has a function for each operation, which describes the request and how its answer is read; ``answers`` has
what is returned; ``connection`` sends. It knows the core's errors and the settings, and no other layer: importing it
loads neither pandas nor MLflow, Dagster or DuckDB. The routes that it calls: ``gateway.routes``.
"""
