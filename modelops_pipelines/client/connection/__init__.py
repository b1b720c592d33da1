"""Sending: addresses and keys, errors, what is tried again, and the two drivers, blocking and asynchronous."""
