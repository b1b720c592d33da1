"""What a training and its worker exchange: the names of the files in their folder, and the kinds of a request."""

REQUEST, TRAINED, FAULT = "request.json", "trained.json", "fault.json"
"""Files with what is to be trained, the version that was, and the error instead of one."""
SET, FIRST = "training set", "first frame"
"""What a request wants trained: a candidate on a frozen set, or the first version on a user's file."""
