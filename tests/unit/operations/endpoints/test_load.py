"""Endpoints' YAML: what is accepted, and every fault by file, line, culprit and fix."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelops_pipelines.core.endpoints.alert_rules import AlertRule, default_alerts
from modelops_pipelines.core.endpoints.spec import (
    CANARY_STEPS,
    CapturePolicy,
    DriftPolicy,
    EndpointSpec,
    Guard,
    Limits,
    Metric,
    Promotion,
    Retraining,
)
from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.core.maintenance.retention import Retention
from modelops_pipelines.operations.endpoints.load import describe, read_endpoint, read_endpoints
from modelops_pipelines.operations.endpoints.yaml.rules import RULE_KEYS
from tests.unit.operations.endpoints.onboarding_classes import CLASS_LINES, CLASSES
from tests.unit.operations.endpoints.onboarding_files import FULL, MINIMAL, TRAINERS, WHOLE_FILES
from tests.unit.operations.endpoints.onboarding_gate import GATE, GATE_KEYS, GATE_LINES, GATED, WHOLE_GATE
from tests.unit.operations.endpoints.onboarding_guards import GUARD_LINES, GUARDED, HASH
from tests.unit.operations.endpoints.onboarding_monitoring import METRICS, MONITORING_LINES, QUERIES, WATCHED
from tests.unit.operations.endpoints.onboarding_rules import RULE_LINES, RULE_QUERIES, RULED, RULES
from tests.unit.operations.endpoints.onboarding_values import ADDED_LINES, KEYS

HOUR = timedelta(hours=1)
SERVICE_RULES = (
    AlertRule("error_rate", above=0.10, over=HOUR),
    AlertRule("latency_p95_ms", above=10_000, over=HOUR),
    AlertRule("drift"),
)
DEFAULT_RULES = (*SERVICE_RULES, AlertRule("data_quality"))
BRIER_SKILL_RULE = AlertRule("quality", metric="brier_skill", below=0)
BINARY_RULES = (BRIER_SKILL_RULE, AlertRule("quality", metric="excess_errors", above=0))
WRONG_LINES = ADDED_LINES | CLASS_LINES | GUARD_LINES | MONITORING_LINES | GATE_LINES | RULE_LINES
FLIGHTS = EndpointSpec("flights", "flight-delay", "binary_classification", "late")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a current directory with a package of trainers, and one of nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare").mkdir()
    package = tmp_path / "demo"
    package.mkdir()
    for name, source in TRAINERS.items():
        (package / name).write_text(source)
    (package / "metrics.py").write_text(METRICS)
    (tmp_path / "metrics").mkdir()
    for name, query in QUERIES.items():
        (tmp_path / "metrics" / f"{name}.sql").write_text(query)
    (tmp_path / "alerts").mkdir()
    for name, query in RULE_QUERIES.items():
        (tmp_path / "alerts" / f"{name}.sql").write_text(query)
    return tmp_path


def faults_of(content: str, known: tuple[str, ...] | None = None) -> list[str]:
    path = Path("flights.yaml")
    path.write_text(content)
    with pytest.raises(OnboardingError) as caught:
        read_endpoint(path, known_features=known)
    return [str(fault) for fault in caught.value.faults]


def endpoint_of(content: str) -> EndpointSpec:
    path = Path("flights.yaml")
    path.write_text(content)
    return read_endpoint(path)


@pytest.mark.parametrize(("content", "message"), WHOLE_FILES.values(), ids=WHOLE_FILES)
def test_a_wrong_file_is_refused_by_line_culprit_and_fix(content: str, message: str) -> None:
    assert faults_of(content) == [f"flights.yaml:{message}"]


@pytest.mark.parametrize(("added", "message"), WRONG_LINES.values(), ids=WRONG_LINES)
def test_a_wrong_value_is_refused_by_line_culprit_and_fix(added: str, message: str, project: Path) -> None:
    content = MINIMAL + "".join(f"  {line}\n" for line in added.splitlines())
    assert faults_of(content) == [f"flights.yaml:{message.replace('{folder}', str(project))}"]


@pytest.mark.parametrize(("line", "classes"), CLASSES.items())
def test_classes_are_read_as_the_log_writes_them(line: str, classes: tuple[str, ...]) -> None:
    assert classes == endpoint_of(MINIMAL + f"  {line}\n").classes


def test_a_regression_states_no_classes() -> None:
    content = MINIMAL.replace("binary_classification", "regression") + "  classes: [0, 1]\n"
    assert ["flights.yaml:7: classes: a regression has none. Remove it, or correct 'task'"] == faults_of(content)


def test_all_faults_of_a_file_are_named_at_once_in_the_order_of_its_lines() -> None:
    content = MINIMAL.replace("late", "date") + "  windw: day\n  owners: me\n  promotion: {strategy: no}\n"
    assert [fault.split(": ")[0] for fault in faults_of(content)] == [f"flights.yaml:{line}" for line in (6, 7, 8, 9)]


def test_each_missing_package_of_a_trainer_is_named() -> None:
    source = "demo/missing.py"
    assert faults_of(MINIMAL + "  trainer: demo.missing:train\n") == [
        (
            f"flights.yaml:7: trainer: {source}:1 imports 'no_such_package', which is not installed. "
            "Install the package that provides 'no_such_package'"
        ),
        (
            f"flights.yaml:7: trainer: {source}:3 imports 'nor_this', which is not installed. "
            "Install the package that provides 'nor_this'"
        ),
    ]


def test_a_trainer_is_checked_without_being_run(project: Path) -> None:
    assert endpoint_of(MINIMAL + "  trainer: demo.explosive:train\n").trainer == "demo.explosive:train"
    assert not (project / "exploded").exists()


def test_a_feature_that_the_model_lacks_is_refused() -> None:
    content = MINIMAL + "  features: [distance, carier]\n"
    assert faults_of(content, known=("carrier", "distance")) == [
        "flights.yaml:7: features[1]: the model has no input 'carier'. Did you mean 'carrier'?"
    ]


@pytest.mark.parametrize("feature", ["late", "Late"])
def test_a_model_whose_inputs_hold_the_label_is_refused(feature: str) -> None:
    assert faults_of(MINIMAL, known=("feature:date", "distance", feature)) == [
        (
            "flights.yaml:6: label: 'late' is among the model's inputs. "
            "Train the model without the label, or correct 'label'"
        ),
    ]


def test_a_file_that_is_not_there_and_one_that_is_not_text_are_refused() -> None:
    Path("latin.yaml").write_bytes(b"type: \xe9")
    for name, problem in (("none.yaml", "cannot be read: No such file"), ("latin.yaml", "is not UTF-8 text")):
        with pytest.raises(OnboardingError, match=f"{name}:1: document: {problem}"):
            read_endpoint(Path(name))


def test_four_keys_are_enough() -> None:
    assert endpoint_of(MINIMAL) == replace(FLIGHTS, alerts=(*DEFAULT_RULES, *BINARY_RULES))


def test_only_binary_classification_has_a_quality_rule_by_default() -> None:
    assert default_alerts("regression") == DEFAULT_RULES


def test_the_example_of_the_design_is_accepted() -> None:
    assert endpoint_of(FULL) == replace(
        FLIGHTS,
        window="day",
        trainer="demo.trainer:train",
        owners=("team:data-science",),
        alerts=(*SERVICE_RULES, BRIER_SKILL_RULE),
        retraining=Retraining(),
        promotion=Promotion("canary", (5, 25, 50, 100)),
    )


def test_guards_are_read_as_they_are_written() -> None:
    assert endpoint_of(GUARDED) == replace(
        FLIGHTS,
        alerts=(*DEFAULT_RULES, *BINARY_RULES),
        allow_pickle=True,
        accept_pickles=(HASH,),
        row_wise=False,
        min_resident=2,
        runtime="isolated",
        limits=Limits("5000/hour", "100/minute; 10/second", "1000/minute", 50, timedelta(seconds=45), 8, 2048),
        capture=CapturePolicy(0.25, 64, ("tail_number", "user_id")),
        promotion=Promotion("canary", CANARY_STEPS, soak=timedelta(hours=1), minimum=500, aliases="adopt"),
        guard=Guard(
            automatic=False,
            false_alarms=0.001,
            errors=0.01,
            slower=1.5,
            slow=0.1,
            loss=0.2,
            score_shift=0.1,
            watch=timedelta(hours=1),
            probation=timedelta(days=3),
        ),
        retention=Retention(
            predictions=timedelta(days=100),
            labels=timedelta(days=50),
            feedback=timedelta(days=100),
            shadow_log=timedelta(days=100),
            explanations=timedelta(days=100),
            rejects=None,
        ),
    )


@pytest.mark.parametrize("content", [GATED, WHOLE_GATE], ids=["what differs", "every key"])
def test_a_gate_is_read_as_it_is_written(content: str) -> None:
    assert endpoint_of(content) == replace(FLIGHTS, alerts=(*DEFAULT_RULES, *BINARY_RULES), gate=GATE)
    assert endpoint_of(content).gate.hash == GATE.hash


def test_all_faults_of_a_gate_are_named_at_once() -> None:
    content = MINIMAL + "  gate: {min_rows: 0, max_odds_ratio: 0.1, seed: -1, time_floor_ms: fast}\n"
    culprits = ["gate.max_odds_ratio", "gate.min_rows", "gate.seed", "gate.time_floor_ms"]
    assert sorted(fault.split(": ")[1] for fault in faults_of(content)) == culprits


def test_what_is_watched_is_read_as_it_is_written() -> None:
    assert endpoint_of(WATCHED) == replace(
        FLIGHTS,
        segments=("carrier", "origin"),
        drift=DriftPolicy("evidently", "training", 14, 500),
        metrics=(
            Metric("mean_score", sql="metrics/mean_score.sql"),
            Metric("late_share", function="demo.metrics:late_share"),
        ),
        alerts=(
            AlertRule("metric", metric="late_share", above=0.4, minimum=50),
            AlertRule("estimated_quality", metric="auc", below=0.6),
            AlertRule("data_quality"),
        ),
    )


def test_rules_are_read_as_they_are_written() -> None:
    assert endpoint_of(RULED).alerts == RULES


def test_a_metrics_file_that_is_not_there_is_refused_with_the_folder_it_was_looked_for_in(project: Path) -> None:
    assert faults_of(MINIMAL + "  metrics: [{name: a, sql: a.sql}]\n") == [
        (
            "flights.yaml:7: metrics[0].sql: a.sql cannot be read: No such file or directory. "
            f"Create it, or correct the path, which is relative to {project}"
        )
    ]


def test_a_segment_that_the_model_lacks_is_refused() -> None:
    assert faults_of(MINIMAL + "  segments: [carier]\n", known=("carrier", "distance")) == [
        "flights.yaml:7: segments[0]: the model has no input 'carier'. Did you mean 'carrier'?"
    ]


def test_a_redacted_name_that_the_model_lacks_is_refused_and_callers_fields_are_not() -> None:
    content = MINIMAL + "  capture: {redact: [carier, user_id, session_id, client_request_id, distance]}\n"
    assert faults_of(content, known=("carrier", "distance")) == [
        "flights.yaml:7: capture.redact[0]: the model has no input 'carier'. Did you mean 'carrier'?"
    ]


def test_all_faults_of_the_guards_are_named_at_once() -> None:
    content = MINIMAL + "  limits: {per_key: 5, body_mib: 0}\n  capture: {sample: 2, redact: [1, 1]}\n"
    culprits = ["limits.per_key", "limits.body_mib", "capture.sample", "capture.redact[0]", "capture.redact[1]"]
    assert sorted(fault.split(": ")[1] for fault in faults_of(content)) == sorted(culprits)


def test_a_canary_without_steps_grows_in_four() -> None:
    promotion = endpoint_of(MINIMAL + "  promotion: {strategy: canary, automatic: true}\n").promotion
    assert promotion == Promotion("canary", (5, 25, 50, 100), automatic=True)


def test_an_empty_list_of_alerts_means_none() -> None:
    assert endpoint_of(MINIMAL + "  alerts: []\n").alerts == ()


def test_a_trainer_may_take_any_number_of_arguments() -> None:
    assert endpoint_of(MINIMAL + "  trainer: demo.good:any_number\n").trainer == "demo.good:any_number"


@pytest.mark.parametrize(
    "content",
    [MINIMAL, FULL, GUARDED, WATCHED, GATED, RULED],
    ids=["the minimal file", "the full file", "one with guards", "a watched one", "one with a gate", "one with rules"],
)
def test_a_description_is_a_valid_file_of_the_same_endpoint(content: str) -> None:
    spec = endpoint_of(content)
    written = {"type": "modelops_pipelines.ModelEndpoint", "attributes": describe(spec)}
    assert endpoint_of(yaml.safe_dump(written)) == spec


def test_a_description_writes_durations_as_text() -> None:
    described = describe(endpoint_of(FULL))
    assert described["label_horizon"] == "2d"
    means = {"runs": 10, "minutes": 600.0, "budget_over": "30d", "time_limit": "2h", "memory_mib": 8192, "attempts": 2}
    rules = {
        "min_new_labels": 5000,
        "cooldown": "7d",
        "automatic": True,
        "signals": ["quality", "harmful_drift", "age"],
    }
    assert described["retraining"] == {**rules, **means, "candidates": []}
    assert described["alerts"][0] == {"kind": "error_rate", "above": 0.10, "over": "1h"}


LEVELS: dict[str, Callable[[str], str]] = {
    "the top": lambda key: f"{key}: 1\n{MINIMAL}",
    "attributes": lambda key: MINIMAL.replace("  name", f"  {key}: 1\n  name"),
    "an alert rule": lambda key: f"{MINIMAL}  alerts:\n    - kind: drift\n      {key}: 1\n",
    "retraining": lambda key: f"{MINIMAL}  trainer: demo.trainer:train\n  retraining:\n    {key}: 1\n",
    "promotion": lambda key: f"{MINIMAL}  promotion:\n    {key}: 1\n",
    "gate": lambda key: f"{MINIMAL}  gate:\n    {key}: 1\n",
    "limits": lambda key: f"{MINIMAL}  limits:\n    {key}: 1\n",
    "capture": lambda key: f"{MINIMAL}  capture:\n    {key}: 1\n",
    "drift": lambda key: f"{MINIMAL}  drift:\n    {key}: 1\n",
    "a metric": lambda key: f"{MINIMAL}  metrics:\n    - name: a\n      sql: metrics/mean_score.sql\n      {key}: 1\n",
}
KNOWN_KEYS = {
    *KEYS,
    "type",
    "attributes",
    *RULE_KEYS,
    *Retraining.__match_args__,
    *Limits.__match_args__,
    *CapturePolicy.__match_args__,
    *DriftPolicy.__match_args__,
    *Metric.__match_args__,
    *GATE_KEYS,
    "steps",
    "strategy",
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(key=st.from_regex(r"[a-z_]{1,20}", fullmatch=True).filter(lambda key: key not in KNOWN_KEYS))
@pytest.mark.parametrize("level", LEVELS)
def test_an_unknown_key_is_refused_with_its_line_at_any_level(level: str, key: str) -> None:
    content = LEVELS[level](f'"{key}"')
    line = 1 + content[: content.index(f'"{key}": 1')].count("\n")
    [fault] = faults_of(content)
    assert fault.startswith(f"flights.yaml:{line}: ")
    assert f"{key}: is not a known key. " in fault


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=st.text(st.characters(codec="utf-8"), max_size=30), line=st.integers(0, MINIMAL.count("\n")))
def test_no_text_whatever_raises_anything_but_faults(value: str, line: int) -> None:
    lines = MINIMAL.splitlines()
    Path("any.yaml").write_text("\n".join([*lines[:line], value, *lines[line:]]), encoding="utf-8")
    with contextlib.suppress(OnboardingError):
        read_endpoint(Path("any.yaml"))


def test_a_folder_is_read_by_path_without_what_is_hidden_or_foreign() -> None:
    for name in ("b/two.yaml", "a/one.yml", ".hidden.yaml", ".git/four.yaml", "five.txt"):
        path = Path("endpoints") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MINIMAL.replace("flights", path.stem.strip(".")))
    Path("endpoints/other.yaml").write_text("type: dagster_sling.SlingReplicationCollectionComponent\n")
    assert [spec.name for spec in read_endpoints(Path("endpoints"))] == ["one", "two"]


def test_a_folder_names_the_faults_of_all_files_and_both_files_of_a_repeated_name() -> None:
    folder = Path("endpoints")
    folder.mkdir()
    (folder / "a.yaml").write_text(MINIMAL)
    (folder / "b.yaml").write_text(MINIMAL + "  features: [height]\n")
    (folder / "c.yaml").write_text(MINIMAL.partition("\n")[2])
    with pytest.raises(OnboardingError) as caught:
        read_endpoints(folder, {"flights": ["distance"]})
    assert [str(fault) for fault in caught.value.faults] == [
        (
            "endpoints/b.yaml:3: name: endpoint 'flights' is already declared at endpoints/a.yaml:3. "
            "Rename or remove one of the two"
        ),
        "endpoints/b.yaml:7: features[0]: the model has no input 'height'. Use one of: distance",
        "endpoints/c.yaml:1: type: is missing. Add 'type: modelops_pipelines.ModelEndpoint'",
        (
            "endpoints/c.yaml:2: name: endpoint 'flights' is already declared at endpoints/a.yaml:3. "
            "Rename or remove one of the two"
        ),
    ]


def test_a_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(OnboardingError, match="none:1: folder: the folder does not exist"):
        read_endpoints(Path("none"))


def test_a_file_may_say_to_dagster_what_any_component_may() -> None:
    said = "requirements: {env: [TEAM]}\ntemplate_vars_module: .vars\npost_processing: {assets: []}\n"
    assert endpoint_of(MINIMAL + said) == endpoint_of(MINIMAL)
