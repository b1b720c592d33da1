"""Charts and pages for people: charts on assets, the health page, the drift report.

The numbers come from the other stages; nothing computed here is stored.
"""
