"""What a warm process has behind it before it forks: the heavy imports, kept out of the garbage collector's sight.

A collection in a fork would touch, and so copy, every object that the imports made.
"""

import gc
import importlib

for _name in (
    "alembic.command",
    "duckdb",
    "deltalake",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "skops.io",
    "uvicorn",
    "modelops_pipelines.cli.main",
    "modelops_pipelines.gateway.app",
    "modelops_pipelines.store.registry.client",
):
    importlib.import_module(_name)
gc.collect()
gc.freeze()
