"""What every derived table shares: an endpoint's tables, incremental computing by window, queries to show.

Files, commits and SQL: ``store.lake``.
"""
