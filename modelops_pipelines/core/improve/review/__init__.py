"""Which predictions to review first, and how far reviewers agree. The queue: ``operations.improve.review``."""
