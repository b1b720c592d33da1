"""An endpoint's gate in YAML, right and wrong, with the message that each fault must give."""

from dataclasses import asdict, fields
from datetime import timedelta

from modelops_pipelines.core.durations import format_duration
from modelops_pipelines.core.evaluation.gate import GateConfig
from tests.unit.operations.endpoints.onboarding_files import MAPPING_FIX, MINIMAL

GATED = f"""\
{MINIMAL}\
  gate:
    every_nth_day: 4
    min_days: 12
    margin: 0
    min_regimes: 3
    regime_days: 14
    slice_tolerance: 0.05
    max_time_ratio: 3
    size_floor_mib: 500
    max_age: 30d
"""
GATE = GateConfig(
    every_nth_day=4,
    min_days=12,
    margin=0.0,
    min_regimes=3,
    regime_days=14,
    slice_tolerance=0.05,
    max_time_ratio=3.0,
    size_floor_mib=500.0,
    max_age=timedelta(days=30),
)
WHOLE_GATE = (
    MINIMAL
    + "  gate:\n"
    + "".join(
        f"    {name}: {format_duration(value) if isinstance(value, timedelta) else value}\n"
        for name, value in asdict(GATE).items()
    )
)

# Lines that follow the minimal file: the first of them is line 7.
GATE_LINES = {
    "a gate that is no mapping": ("gate: strict", f"7: gate: must be a mapping, but is text (strict). {MAPPING_FIX}"),
    "an unknown setting of the gate": (
        "gate: {min_regime: 2}",
        "7: gate.min_regime: is not a known key. Did you mean 'min_regimes'?",
    ),
    "half a day": (
        "gate: {min_days: 10.5}",
        ("7: gate.min_days: must be a whole number, but is a number (10.5). Write decimal digits only, such as 5000"),
    ),
    "a quoted margin": (
        "gate:\n  margin: '0.01'",
        "8: gate.margin: must be a finite number, but is text (0.01). Remove the quotes: 0.01",
    ),
    "every day for evaluation": (
        "gate: {every_nth_day: 1}",
        (
            "7: gate.every_nth_day: must be from 2 to 28, and is 1. "
            "Set which days are evaluation days, such as 5 for every fifth"
        ),
    ),
    "a margin in percent": (
        "gate: {margin: 2}",
        "7: gate.margin: must be from 0 to 1, and is 2. Set a share of the champion's loss, such as 0.01",
    ),
    "a single day of evidence": (
        "gate: {min_days: 1}",
        "7: gate.min_days: must be at least 2, and is 1. Set the fewest evaluation days for a verdict, such as 10",
    ),
    "no regime at all": (
        "gate: {min_regimes: 0}",
        "7: gate.min_regimes: must be at least 1, and is 0. Set the fewest regimes with data for a verdict, such as 2",
    ),
    "a regime that holds too few evaluation days": (
        "gate: {regime_days: 10}",
        (
            "7: gate.regime_min_days: is 3, but a regime of 10 days has 2 evaluation days. "
            "Lower it, or raise 'gate.regime_days'"
        ),
    ),
    "slices without end": (
        "gate: {max_slices: 5000}",
        "7: gate.max_slices: must be from 0 to 1000, and is 5000. Set the most slices to judge, such as 50",
    ),
    "a time ratio that even the champion exceeds": (
        "gate: {max_time_ratio: 0.5}",
        (
            "7: gate.max_time_ratio: must be at least 1, and is 0.5. "
            "Set the largest ratio of prediction times, candidate to champion, such as 5"
        ),
    ),
    "a negative floor": (
        "gate: {size_floor_mib: -1}",
        ("7: gate.size_floor_mib: must be at least 0, and is -1. Set the MiB that are never too large, such as 200"),
    ),
    "certainty": (
        "gate: {confidence: 1}",
        "7: gate.confidence: must be from 0.5 to 0.999, and is 1. Set the confidence level, such as 0.95",
    ),
    "an age without a unit": (
        "gate: {max_age: 14}",
        (
            "7: gate.max_age: must be a duration, but is a number (14). "
            "Write a number and s, m, h or d, such as 90s, 30m, 48h or 7d (at most 3650d)"
        ),
    ),
    "a canary that outlasts its verdict": (
        "gate: {max_age: 2d}\npromotion: {strategy: canary, soak: 1d}",
        "7: gate.max_age: is 2d, but a canary soaks for 3d to its last step. Raise it, or lower 'promotion.soak'",
    ),
    "ten draws": (
        "gate: {draws: 10}",
        "7: gate.draws: must be from 100 to 100000, and is 10. Set the number of bootstrap draws, such as 2000",
    ),
}
GATE_KEYS = tuple(field.name for field in fields(GateConfig))
