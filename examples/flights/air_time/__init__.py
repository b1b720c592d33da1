"""The second endpoint on the same flights: a regression. Its YAML and its trainer are all that it takes."""
