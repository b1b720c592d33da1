"""All stores of one installation: those of the state database, and those of its files, its lake and its registry."""

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from modelops_pipelines.store.state_stores import StateStores

if TYPE_CHECKING:
    from modelops_pipelines.store.filesystem.home_backups import HomeBackups
    from modelops_pipelines.store.filesystem.home_readings import HomeReadings
    from modelops_pipelines.store.filesystem.maintenance_ends import MaintenanceEnds
    from modelops_pipelines.store.lake.maintenance.pins import Pins
    from modelops_pipelines.store.lake.reader import Lake
    from modelops_pipelines.store.lake.rows.recent import RecentRows
    from modelops_pipelines.store.lake.writer import LakeWriter
    from modelops_pipelines.store.registry.client import Registry
    from modelops_pipelines.store.registry.model_copies import ModelCopies
    from modelops_pipelines.store.registry.references.drift_references import References
    from modelops_pipelines.store.registry.references.normal_values import NormalValues
    from modelops_pipelines.store.registry.references.reference_rows import ReferenceRowsOfVersions
    from modelops_pipelines.store.registry.synced_aliases import SyncedAliases


class Stores(StateStores):
    """The stores of one installation, as operations use them."""

    @cached_property
    def synced_aliases(self) -> "SyncedAliases":
        """Aliases and stages as last written to the registry."""
        from modelops_pipelines.store.registry.synced_aliases import SyncedAliases

        return SyncedAliases(self.database)

    @cached_property
    def readings(self) -> "HomeReadings":
        """The daily readings of the home's sizes."""
        from modelops_pipelines.store.filesystem.home_readings import HomeReadings

        return HomeReadings(self.settings.home / "sizes.json", self.settings.home / "locks" / "sizes.lock")

    @cached_property
    def maintenance_ends(self) -> "MaintenanceEnds":
        """When each task of maintenance last ended."""
        from modelops_pipelines.store.filesystem.maintenance_ends import MaintenanceEnds

        home = self.settings.home
        return MaintenanceEnds(home / "maintenance.json", home / "locks" / "maintenance_ends.lock")

    @cached_property
    def backups(self) -> "HomeBackups":
        """The backups that were taken of the home."""
        from modelops_pipelines.store.filesystem.home_backups import HomeBackups

        return HomeBackups(self.settings.home / "backups.json", self.settings.home / "locks" / "backups.lock")

    @cached_property
    def pins(self) -> "Pins":
        """Versions of the lake's tables that vacuum keeps readable."""
        from modelops_pipelines.store.lake.maintenance.pins import Pins

        return Pins(self.settings.home / "pins")

    @cached_property
    def lake(self) -> "Lake":
        """The lake, for reading."""
        from modelops_pipelines.store.lake.reader import Lake

        return Lake(self.settings.lake)

    @cached_property
    def writer(self) -> "LakeWriter":
        """The lake, for writing."""
        from modelops_pipelines.store.lake.writer import LakeWriter

        return LakeWriter(self.settings.lake)

    @cached_property
    def recent(self) -> "RecentRows":
        """The newest rows of the lake, for frequent queries."""
        from modelops_pipelines.store.lake.rows.recent import RecentRows

        return RecentRows(self.lake)

    @cached_property
    def registry(self) -> "Registry":
        """MLflow."""
        from modelops_pipelines.store.registry.client import Registry

        return Registry(self.settings)

    @cached_property
    def model_copies(self) -> "ModelCopies":
        """The copies that versions are loaded from."""
        from modelops_pipelines.store.registry.model_copies import ModelCopies

        return ModelCopies(self.settings.models)

    @cached_property
    def normal_values(self) -> "NormalValues":
        """What is normal for the features of each version."""
        from modelops_pipelines.store.registry.references.normal_values import NormalValues

        return NormalValues(self.settings.home / "references")

    @cached_property
    def references(self) -> "References":
        """The drift reference of each version."""
        from modelops_pipelines.store.registry.references.drift_references import References

        return References(self.settings.home / "references")

    @cached_property
    def reference_rows(self) -> "ReferenceRowsOfVersions":
        """The rows that explanations of each version refer to."""
        from modelops_pipelines.store.registry.references.reference_rows import ReferenceRowsOfVersions

        return ReferenceRowsOfVersions(self.settings.home / "references")

    def now(self) -> datetime:
        """Return the clock's time in UTC."""
        return datetime.now(UTC)
