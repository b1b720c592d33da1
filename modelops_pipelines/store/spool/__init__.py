"""The spool: segments of captured records, sealed and checksummed, before they are ingested.

Records are declared in ``core.capture``; turning them into rows belongs to ``operations.capture``.
"""
