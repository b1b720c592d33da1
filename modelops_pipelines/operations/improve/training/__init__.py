"""Training sets: built from the log and its labels, frozen, with where every row came from; built again from that.

Whether a set may be trained on: ``guards``. Training on one: ``retraining``.
"""
