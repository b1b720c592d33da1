"""The wizard: where an endpoint is served, its model, its configuration, a review, and then its file and its deploy.

Nothing of it is kept between two pages: each carries what was chosen, and each checks all of it. What is written is
what ``modelops endpoint add`` writes: ``operations.endpoints.add``.
"""
