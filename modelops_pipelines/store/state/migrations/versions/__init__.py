"""The state database's migrations, one a release, in order. A released migration never changes."""
