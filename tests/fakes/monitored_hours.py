"""Thirty hours of everything that monitoring derives, in the lake, with texts in it that try to be markup."""

import json
import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from modelops_pipelines.core.alerting.alerts import Verdict
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.profiles.profile import fit_bins, profile
from modelops_pipelines.core.release.desired_state import Variant
from modelops_pipelines.core.release.event_log import Event
from modelops_pipelines.core.tables.lake import DRIFT, ESTIMATED_QUALITY, PROFILES, QUALITY_METRICS, SERVICE_METRICS
from modelops_pipelines.operations.alerting.life.raise_alerts import raise_alerts
from modelops_pipelines.store.lake.rows.profiles import hour_of
from modelops_pipelines.store.registry.references.drift_references import Reference
from modelops_pipelines.store.stores import Stores
from tests.fakes.hourly_profiles import HourlyProfile, to_rows
from tests.fakes.lake_rows import write
from tests.fakes.records import START

HOURS = 30
EVIL = "<script>alert('evil')</script>"
EVIL_COLUMN = '"><img src=x onerror=alert(1)>'
COLUMNS = [f"column_{n:02}" for n in range(57)]
GAP = 11


def fill(stores: Stores, spec: EndpointSpec, hours: int = HOURS) -> None:
    random = np.random.default_rng(7)
    windows = [START + timedelta(hours=n) for n in range(hours) if n != GAP]
    write(stores, spec, SERVICE_METRICS, [service_row(at, random) for at in windows])
    write(stores, spec, QUALITY_METRICS, [row for at in windows for row in quality_rows(at, random)])
    write(stores, spec, ESTIMATED_QUALITY, [estimated_row(at, random) for at in windows])
    write_profiles(stores, spec, windows[-1], random)
    names = [*COLUMNS, "kind", "month", EVIL_COLUMN]
    write(stores, spec, DRIFT, [drift_row(at, n, name) for at in windows for n, name in enumerate(names)])
    failed = Verdict("drift", "drift", "error", False, 0.5, 0.3, 1000, "w", f"column_01 drifted {EVIL}")
    raise_alerts(stores, spec.name, [failed, replace(failed, rule="error_rate", severity="warning")], source="run 1")
    again = [replace(failed, rule="error_rate", passed=True)] * 2
    raise_alerts(stores, spec.name, again, source="run 2")
    before = stores.deployments.desired(spec.name)
    event = Event(0, spec.name, START, "ann", "deploy", None, "1", before.generation + 1, "test")
    stores.deployments.change(before, [Variant("1", "champion", 90), Variant("2", "challenger", 10)], event)


def service_row(at: datetime, random: np.random.Generator) -> dict[str, Any]:
    requests = int(1200 + 800 * math.sin(at.hour / 24 * 2 * math.pi) + random.normal(0, 60))
    latencies = np.floor(np.log(random.lognormal(2.2, 0.5, requests)) / math.log(1.02)).astype(int)
    buckets, counts = np.unique(latencies, return_counts=True)
    sketch = json.dumps(dict(zip(map(str, buckets), counts.tolist(), strict=True)))
    failed = int(random.integers(0, 9))
    named = {"window_start": at, "model_version": "1", "variant": "champion", "latency_counts": sketch}
    counted = {"requests": requests, "predictions": 3 * requests, "client_errors": 4, "server_errors": failed}
    return named | counted | {"latency_sum_ms": 1.0, "errors": json.dumps({"model": failed})}


def quality_rows(at: datetime, random: np.random.Generator) -> list[dict[str, Any]]:
    late = (at - START) > timedelta(hours=20)
    auc = None if late else 0.88 + float(random.normal(0, 0.012))
    counted = {"predictions": 3000, "labelled": 0 if late else 2500, "coverage": 0.0 if late else 5 / 6}
    row = {"window_start": at, "model_version": "1", "segment": "all", "segment_value": "", "auc": auc, **counted}
    extra = {"feedback": 0, "complaints": 0, "brier_skill": None if auc is None else auc - 0.5}
    return [row | extra, row | extra | {"segment": "kind", "segment_value": EVIL, "predictions": 10**9}]


def estimated_row(at: datetime, random: np.random.Generator) -> dict[str, Any]:
    auc = 0.875 + float(random.normal(0, 0.006))
    counted = {"predictions": 3000, "scored": 3000, "labelled": 5000}
    return {"window_start": at, "model_version": "1", "auc": auc, "f1": auc - 0.2, **counted}


def drift_row(at: datetime, number: int, name: str) -> dict[str, Any]:
    value = None if number == 5 else 0.4 / (1 + number)
    measured = {"column": name, "kind": "numeric", "statistic": "wasserstein", "value": value, "threshold": 0.1}
    counted = {"n": 3000, "n_reference": 20000, "missing": 0.02, "missing_reference": 0.0}
    judged = {"drifted": None if value is None else value > 0.1, "reason": EVIL if value is None else None}
    return {"window_start": at, "model_version": "1", **measured, **counted, **judged}


def write_profiles(stores: Stores, spec: EndpointSpec, at: datetime, random: np.random.Generator) -> None:
    """Write the reference of every column, and the profiles of the hour."""
    reference, rows = {}, []
    for n, name in enumerate([*COLUMNS, "kind", "month", EVIL_COLUMN]):
        then: Any = random.normal(0, 1, 5000) if n % 2 else random.lognormal(0, 0.6, 5000)
        now: Any = then[:2000] * 1.1 + 1.2 / (1 + n)
        if name in {"kind", EVIL_COLUMN}:
            then = random.choice(["AA", "UA", "DL & co", EVIL], 5000).tolist()
            now = [*then[:1500], *["never seen"] * 300, None]
        if name == "month":
            then, now = random.integers(1, 13, 5000).astype(float), random.integers(1, 8, 2000).astype(float)
        bins = fit_bins(name, then, "categorical" if isinstance(then, list) else "numeric")
        reference[name] = profile(then, bins)
        rows.append(HourlyProfile(hour_of(at), "1", profile(now, bins)))
    stores.references.write(spec.model_name, "1", Reference(f"training set of {EVIL}", reference))
    stores.writer.replace_windows(spec.name, PROFILES, to_rows(rows), [at])
