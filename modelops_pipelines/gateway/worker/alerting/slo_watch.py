"""Judges objectives on live counts, in the one worker of all that watches; without Dagster."""

from collections.abc import Callable, Sequence

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.core.alerting.objectives.slo import SLO, CountedSecond
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.gateway.worker.alerting.count_watch import report
from modelops_pipelines.gateway.worker.served_endpoint import ServedEndpoint
from modelops_pipelines.operations.alerting.apart import Apart
from modelops_pipelines.operations.alerting.objectives.slos import judge_slos, raise_slos
from modelops_pipelines.store.stores import Stores


class SloWatch:
    """The objectives of all endpoints; an endpoint without any costs nothing."""

    def __init__(
        self,
        stores: Stores,
        endpoints: Callable[[], Sequence[ServedEndpoint]],
        recent: Callable[[str], Sequence[CountedSecond]],
    ) -> None:
        """Judge these endpoints; ``recent`` returns the counts of an endpoint's last hour, of all workers."""
        self._stores, self._endpoints, self._recent = stores, endpoints, recent
        self._failing: set[str] | None = None
        self._apart = Apart()

    def look(self) -> None:
        """Judge each endpoint's objectives when it is time for a look; raise, count or resolve their alerts."""
        specs = [served.spec for served in self._endpoints() if served.spec.slos]
        if specs and self._failing is None:  # alerts that another watch raised: this one has to resolve them
            self._failing = {alert.endpoint for alert in self._stores.alerts.find(None, OPEN) if alert.kind == SLO}
        for spec in specs:
            with self._apart.alone(spec.name):
                self._judge(spec)
        self._apart.raise_first()

    def _judge(self, spec: EndpointSpec) -> None:
        """Read and write the state only where an objective fails, or did."""
        now, known = self._stores.now(), self._failing or set()
        verdicts = judge_slos(self._stores, spec, self._recent(spec.name), now)
        failing = any(verdict.passed is False for verdict in verdicts)
        if not verdicts or not (failing or spec.name in known):
            return
        known.add(spec.name)  # also when what follows fails
        self._failing = known
        report(raise_slos(self._stores, spec, verdicts, now))
        if not failing and not self._is_open(spec.name):
            known.discard(spec.name)

    def _is_open(self, endpoint: str) -> bool:
        return any(alert.kind == SLO for alert in self._stores.alerts.find(endpoint, OPEN))
