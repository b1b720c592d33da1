"""Endpoints' configurations: reading and following them, checking the functions that they name, finding an endpoint.

Reading the YAML: ``yaml``. The rules themselves: ``core.endpoints``.
"""
