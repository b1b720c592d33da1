"""Which alerts are not sent to people, and when: silences, maintenance windows, and the matchers that they share.

Who is told of the others: ``core.alerting.routing``.
"""
