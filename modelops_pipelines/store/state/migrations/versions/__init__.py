"""The state database's migrations, one a release, in order. A step that was released never changes."""
