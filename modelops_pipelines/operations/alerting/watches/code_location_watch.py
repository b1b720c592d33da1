"""The alert on an endpoint whose YAML Dagster has not loaded: it was added, changed or removed since.

Under ``modelops up`` Dagster loads changed files by itself, within seconds. In a Dagster that others run, somebody has
to press a button, and the alert names it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelops_pipelines.core.alerting.alerts import OPEN, Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.windows import text
from modelops_pipelines.operations.alerting.apart import Apart
from modelops_pipelines.operations.alerting.life.raise_alerts import AlertChange, alerts_lock, apply_verdicts
from modelops_pipelines.operations.endpoints.configurations import Configurations
from modelops_pipelines.store.stores import Stores

CODE_LOCATION = "code_location"
PATIENCE = timedelta(minutes=2)
"""What reloads by itself has done so by then."""
_WATCH = Apart("The watch of the code location")
_PRESS = "In Dagster, open Deployment, Code locations, and press Reload beside this one"
_IN_FORCE = "Dagster has loaded the endpoint's YAML as it is"


class LoadedEndpoints:
    """The endpoints as a process of Dagster has loaded them, beside the files as they become."""

    def __init__(self, specs: Sequence[EndpointSpec], now: datetime) -> None:
        """Take what was loaded, and when."""
        self._loaded, self._at = {spec.name: spec for spec in specs}, now
        self._before: Mapping[str, EndpointSpec] | None = None
        self._since: dict[str, datetime] = {}

    def behind(self, found: Configurations, folder: Path, now: datetime) -> dict[str, str]:
        """Return the endpoints that Dagster is behind of for longer than PATIENCE, with what is so and what to do.

        A value that the file leaves to Dagster, as a template, is another one here: what was so from the start is no
        change.
        """
        current = {spec.name: spec for spec in found.specs}
        if self._before is None:
            self._before = {name: spec for name, spec in current.items() if not self._written_since(found, name)}
        said = dict(self._differences(found, current, folder))
        self._since = {name: self._since.get(name) or self._written_since(found, name) or now for name in said}
        return {
            name: f"{words} (since {text(self._since[name].replace(microsecond=0))}). {_PRESS}"
            for name, words in said.items()
            if now - self._since[name] >= PATIENCE
        }

    def _differences(
        self, found: Configurations, current: Mapping[str, EndpointSpec], folder: Path
    ) -> Iterator[tuple[str, str]]:
        before = self._before or {}
        for name, spec in current.items():
            if name not in self._loaded:
                yield name, "its YAML was added, and it is not monitored"
            elif spec not in (self._loaded[name], before.get(name)):
                yield name, "its YAML has changed, and it is monitored as it was before"
        for name in self._loaded:
            if name not in found.names:
                why = "it was removed, or the setting 'endpoints' names another folder than Dagster's"
                yield name, f"no file in {folder} declares it, and it is still monitored: {why}"

    def _written_since(self, found: Configurations, name: str) -> datetime | None:
        """Return when the endpoint's file was written; None for one that has been as it is since before the load."""
        try:
            written = datetime.fromtimestamp(found.paths[name].stat().st_mtime, UTC)
        except (KeyError, OSError):
            return None
        return written if written > self._at else None


def watch_code_location(stores: Stores, problems: Mapping[str, str], now: datetime) -> list[AlertChange]:
    """Open or resolve the alert of each endpoint that Dagster is behind of, as ``problems`` say; return what changed.

    While nothing changes, a call costs one read of the state.
    """
    opened = {alert.endpoint: alert for alert in stores.alerts.find(None, OPEN) if alert.kind == CODE_LOCATION}
    changes: list[AlertChange] = []
    for endpoint in sorted({*problems, *opened}):
        problem, alert = problems.get(endpoint), opened.get(endpoint)
        if problem is not None and alert is not None and alert.message == problem:
            continue
        message = _IN_FORCE if problem is None else problem
        verdict = Verdict(CODE_LOCATION, CODE_LOCATION, "error", problem is None, None, None, 1, text(now), message)
        with _WATCH.alone(endpoint), alerts_lock(stores, endpoint, seconds=0):
            changes += apply_verdicts(stores, endpoint, [verdict], now)
    return changes
