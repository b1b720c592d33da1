"""A model registry that remembers its aliases only, as MLflow does, which anyone may move."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class AliasRegistry:
    """The aliases of registered models, by model."""

    known: dict[str, dict[str, str]] = field(default_factory=dict)

    def aliases(self, model_name: str) -> dict[str, str]:
        """Return the model's aliases."""
        return dict(self.known.get(model_name, {}))

    def set_aliases(self, model_name: str, aliases: Mapping[str, str | None]) -> None:
        """Point the aliases to their versions; None removes one."""
        kept = {name: version for name, version in self.aliases(model_name).items() if name not in aliases}
        given = {name: version for name, version in aliases.items() if version is not None}
        self.known[model_name] = {**kept, **given}

    def tagged_classes(self, model_name: str, version: str) -> list[str] | None:  # noqa: ARG002 - no version has a tag
        """Return the classes in the version's tag."""
        return None

    def set_stages(self, model_name: str, stages: Mapping[str, str]) -> None:
        """Accept the stages, which nothing reads here."""
