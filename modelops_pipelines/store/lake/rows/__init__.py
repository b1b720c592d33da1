"""Reading the rows of single tables: the log's recent rows, profiles, origins of training sets, dates of arrival.

What reads any table: ``store.lake.reader`` and ``sql``.
"""
