"""Ways to tell people of alerts: signed webhooks, and what the library apprise knows.

What is told, to whom and when: ``operations.alerting``. A channel sends one message, and says whether it was taken.
"""
