"""The records of what came from what. Reading and sending them: ``operations.improve.lineage``."""
