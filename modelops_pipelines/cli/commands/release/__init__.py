"""Commands that change what is live, put versions on trial, and say how a deployment stands."""
