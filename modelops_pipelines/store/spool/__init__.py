"""The spool: segments of captured records, sealed and checksummed, before they are ingested.

What a record says is declared in ``core.capture``; turning it into rows belongs to ``operations.capture``.
"""
