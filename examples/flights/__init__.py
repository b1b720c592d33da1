"""The demo: real departures from New York in 2013, replayed through the whole loop."""
