"""For users' own tests: a pytest plugin with the fixture ``modelops_gateway``. Our own tests: ``tests``.

pytest loads ``plugin`` in every run where this package is installed, so it imports nothing that takes time.
"""
