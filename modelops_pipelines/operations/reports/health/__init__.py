"""What there is to say of an endpoint's health: the facts that its page and the file of ``modelops report`` show.

No HTML here, but charts as SVG. What draws them is beside this package, and what a rule judges in ``alerting``.
"""
