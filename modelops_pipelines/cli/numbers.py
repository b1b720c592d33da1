"""Numbers of things (alerts, silences, items) as arguments of commands: those that the state can hold."""

import click

MOST = 2**53
"""The largest number of anything, as over HTTP: larger ones are no numbers of the state's."""
NUMBER = click.IntRange(1, MOST)
