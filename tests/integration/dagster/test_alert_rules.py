"""Rules of every form in Dagster: a check for each of the YAML's, none for one made at run time, which is judged too."""

from datetime import timedelta
from pathlib import Path

from modelops_pipelines.core.alerting.alerts import OPEN
from modelops_pipelines.operations.alerting.life.change_rules import add_rule
from tests.fakes.records import START, VERSION, request_record, write_segment
from tests.support.project import CANCER_YAML
from tests.worlds.dagster_project import checks_of, shown_of, world

YAML = f"""\
{CANCER_YAML}\
  alerts:
    - {{kind: error_rate, above: 0.9, minimum: 1}}
    - {{kind: error_rate, name: half_of_them, operator: ge, threshold: 0.5, minimum: 1, severity: warning}}
    - {{kind: latency, percentile: 99, above: 800, minimum: 1}}
    - {{kind: volume, above: 3}}
"""


def test_a_rule_made_at_run_time_is_judged_and_has_no_check(tmp_path: Path) -> None:
    with world(tmp_path, yaml=YAML) as made:
        stores, spec = made.project.stores, made.project.spec
        stores.deployments.record_version(VERSION)
        rule = {"kind": "error_rate", "name": "any_error", "above": 0.1, "minimum": 1}
        add_rule(stores, spec, rule, "ann")
        failed = {"status": 500, "p": None, "s": None, "error": "model"}
        records = [
            request_record("cancer", n, START + timedelta(minutes=n), 1, **(failed if n < 2 else {})) for n in range(4)
        ]
        write_segment(stores, "cancer", "predictions", "w", records)
        done = made.materialise(["inference_log", "service_metrics"])

        assert done.success
        checks = checks_of(done)
        assert {"error_rate": True, "half_of_them": False, "latency_p99": True, "volume": False} == {
            name: check.passed for name, check in checks.items() if name not in {"capture", "nothing_rejected"}
        }
        assert {"any_error", "half_of_them", "volume"} == {one.rule for one in stores.alerts.find("cancer", OPEN)}
        shown = shown_of(done, "service_metrics").metadata
        assert 0.5 == shown["latest_any_error"].value
        assert "opened: any_error: error_rate 0.5 is above 0.1" in str(shown["alerts"].value)
