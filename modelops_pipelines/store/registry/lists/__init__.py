"""What the registry lists: models, and versions of a model. What a version is made of: ``registry.model_loader``."""
