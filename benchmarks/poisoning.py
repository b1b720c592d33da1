"""Poisoned training sets: does a guard refuse each, and does a clean set pass, also when the season changes?

``python -m benchmarks.poisoning [--draws 100] [--world flights made_up] [--first-seed 1000]``

A draw is a set of earlier rows that a user provided, and of newer rows of the log with labels. The champion is a model
of the earlier rows; it answered the newer ones. On the flights of 2013 the newer rows are of one month from February to
December, the earlier ones of all months before, so that seasons change; in the made-up world level, inputs and one
weight drift. Every draw is judged as the product judges a set; its input is passed in memory.

- clean: every due label, or in every second draw those of 30 % of the rows at random
- complaints only: 60 % of the wrongly answered rows are labelled, and 2 % of the others
- 10 % flips: of the new labels, at random
- 3 % targeted flips: of the new labels, all in one value of a segment that has 3 to 10 % of them; in every second draw
  all towards the commoner class
- one key floods: it sends 60 to 90 % of the new labels, among six keys

Limits were chosen on seeds below 1000 of the flights; the seeds from 1000 on are for the report.
"""

import argparse
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from modelops_pipelines.core.endpoints.improvement import SET_GUARDS
from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.evaluation.gate import is_evaluation_day
from modelops_pipelines.core.improve.guards.results import GuardResult
from modelops_pipelines.core.tables.training import FEEDBACK, LABEL, PROVIDED
from modelops_pipelines.operations.improve.guards.cross_fit import probabilities
from modelops_pipelines.operations.improve.guards.judge_rows import judge_rows
from modelops_pipelines.operations.improve.guards.log_sample import beside
from modelops_pipelines.operations.improve.guards.set_rows import matrix_of, set_rows

Mask = npt.NDArray[np.bool_]
SPEC = EndpointSpec("world", "model", "binary_classification", "late", label_horizon=timedelta(0))
ROWS = 15_000
KEYS = [f"key{number}" for number in range(6)]
SHARES = (0.35, 0.25, 0.15, 0.1, 0.1, 0.05)
DAY = timedelta(days=1)


@dataclass(frozen=True, eq=False)
class Labels:
    """What is said of the new rows: labels, for which rows, from where, by which key, and by which person."""

    label: npt.NDArray[np.object_]
    labelled: Mask
    origin: str
    keys: list[str]
    authors: list[str] | None = None


@dataclass(frozen=True, eq=False)
class Draw:
    """Earlier and newer rows (event_time, features, label), and the champion's scores of the newer ones."""

    before: pa.Table
    new: pa.Table
    score: npt.NDArray[np.float64]
    rng: np.random.Generator

    @property
    def truth(self) -> npt.NDArray[np.object_]:
        return np.asarray(self.new[SPEC.label].to_pylist(), object)

    @property
    def prediction(self) -> npt.NDArray[np.object_]:
        return np.where(self.score >= 0.5, "1", "0").astype(object)


# Worlds


@cache
def _flights() -> tuple[pa.Table, npt.NDArray[np.int64]]:
    from examples.flights.data import FEATURES, LABEL, NEW_YORK, flights_frame, labelled

    frame = labelled(flights_frame())
    month = frame["departs_at"].dt.tz_convert(NEW_YORK).dt.month.to_numpy(np.int64)
    frame = frame.assign(event_time=frame["departs_at"].astype("datetime64[us, UTC]"), late=frame[LABEL].astype(str))
    return pa.Table.from_pandas(frame[["event_time", *FEATURES, "late"]], preserve_index=False), month


def flights(seed: int, rows: int = ROWS) -> Draw:
    """Draw a month of the flights, and rows of the months before."""
    table, month = _flights()
    rng = np.random.default_rng(seed)
    new = int(rng.integers(2, 13))
    parts = (np.flatnonzero(month < new), np.flatnonzero(month == new))
    before, after = (np.sort(rng.choice(at, min(rows, len(at)), replace=False)) for at in parts)
    return _drawn(table.take(pa.array(before)), table.take(pa.array(after)), rng)


def made_up(seed: int, rows: int = ROWS) -> Draw:
    """Draw rows of a world with four numbers, a region of 12 and a plan of 6 values, which drifts over 90 days."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.random(2 * rows))
    season, sizes = np.sin(2 * np.pi * (at + rng.random())), rng.dirichlet(np.full(12, 4.0))
    numbers = {f"x{i}": rng.normal(season * (i == 0) * 0.5, 1) for i in range(4)}
    region, plan = rng.choice(12, 2 * rows, p=sizes), rng.integers(0, 6, 2 * rows)
    effects, weights = rng.normal(0, 0.5, 12), np.array([1.2, -0.8, 0.6, 0.0])
    weights_at = weights[:, None] * np.stack([1 + 0.3 * at * (i == 1) for i in range(4)])
    logit = (np.stack(list(numbers.values())) * weights_at).sum(0) + effects[region] + 0.5 * season - 1.5
    label = (rng.random(2 * rows) < 1 / (1 + np.exp(-logit))).astype(int)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = pa.array([start + 90 * DAY * float(one) for one in at], pa.timestamp("us", "UTC"))
    texts = {"region": [f"r{one}" for one in region], "plan": [f"p{one}" for one in plan]}
    table = pa.table({"event_time": times, **numbers, **texts, "late": label.astype(str)})
    return _drawn(table.slice(0, rows), table.slice(rows), rng)


def _drawn(before: pa.Table, new: pa.Table, rng: np.random.Generator) -> Draw:
    names = [name for name in new.column_names if name not in ("event_time", SPEC.label)]
    both = matrix_of(pa.concat_tables([before, new]), names)
    known = np.asarray(before[SPEC.label].to_pylist(), object) == "1"
    score = probabilities(both[: len(before)], known.astype(np.int64), both[len(before) :], 2)[:, 1]
    return Draw(before, new, score, rng)


WORLDS: dict[str, Callable[[int, int], Draw]] = {"flights": flights, "made_up": made_up}


# Poison


def clean(draw: Draw, seed: int) -> Labels:
    """Label every row, or in every second draw 30 % of them."""
    n = len(draw.new)
    labelled = np.ones(n, np.bool_) if seed % 2 else draw.rng.random(n) < 0.3
    return Labels(draw.truth, labelled, LABEL, draw.rng.choice(KEYS, n, p=SHARES).tolist())


def _all(draw: Draw) -> Labels:
    return clean(draw, 1)


def complaints(draw: Draw, _seed: int) -> Labels:
    """Label what was answered wrongly, and hardly anything else."""
    wrong, chance = draw.truth != draw.prediction, draw.rng.random(len(draw.new))
    people = [f"user{one}" for one in draw.rng.integers(0, 500, len(draw.new))]
    return replace(_all(draw), labelled=np.where(wrong, chance < 0.6, chance < 0.02), origin=FEEDBACK, authors=people)


def flips(draw: Draw, _seed: int) -> Labels:
    """Flip every tenth label."""
    return _flipped(draw, np.flatnonzero(draw.rng.random(len(draw.new)) < 0.1))


def targeted(draw: Draw, seed: int) -> Labels:
    """Flip 3 % of the labels, all in one value of a segment."""
    cells = []
    for name in draw.new.column_names:
        if pa.types.is_string(draw.new.schema.field(name).type) and name != SPEC.label:
            counts = pc.value_counts(draw.new[name]).to_pylist()
            cells += [(name, one["values"]) for one in counts if 0.03 <= one["counts"] / len(draw.new) <= 0.1]
    name, value = cells[int(draw.rng.integers(len(cells)))]
    rows = np.flatnonzero(np.asarray(draw.new[name].to_pylist(), object) == value)
    if seed % 2:
        rows = rows[draw.truth[rows] == "1"]
    return _flipped(draw, draw.rng.permutation(rows)[: round(0.03 * len(draw.new))])


def flood(draw: Draw, _seed: int) -> Labels:
    """Let one key send most of the labels."""
    mine = draw.rng.random(len(draw.new)) < draw.rng.uniform(0.6, 0.9)
    said = _all(draw)
    return replace(said, keys=["key5" if one else key for one, key in zip(mine, said.keys, strict=True)])


def _flipped(draw: Draw, rows: npt.NDArray[np.int64]) -> Labels:
    label = draw.truth
    label[rows] = np.where(label[rows] == "1", "0", "1")
    return replace(_all(draw), label=label)


POISONS: dict[str, Callable[[Draw, int], Labels]] = {
    "clean": clean,
    "complaints only": complaints,
    "10 % flips": flips,
    "3 % targeted flips": targeted,
    "one key floods": flood,
}
MADE_FOR = {
    "complaints only": "selection",
    "10 % flips": "label_flips",
    "3 % targeted flips": "label_flips",
    "one key floods": "share_of_one",
}


# Judging


def judged(draw: Draw, said: Labels, spec: EndpointSpec = SPEC) -> list[GuardResult]:
    """Judge the draw's set with the guards that are not off."""
    ids = [f"p{number:06}" for number in range(len(draw.new))]
    days = draw.new["event_time"].cast(pa.date32()).to_pylist()
    held = np.array([is_evaluation_day(day, SPEC.gate.every_nth_day) for day in days])
    new = _with_ids(draw.new.set_column(draw.new.column_names.index("late"), "late", pa.array(said.label)), ids)
    before = _with_ids(draw.before, [f"base-{number}" for number in range(len(draw.before))])
    kept = said.labelled & ~held
    rows = pa.concat_tables([before, new.filter(pa.array(kept))])
    of = set_rows(spec, rows, _origins(rows, len(before), said, kept), None)
    features = draw.new.drop_columns(["event_time", "late"])
    head = {"prediction_id": ids, "event_time": draw.new["event_time"]}
    log = pa.table({**head, "prediction": pa.array(draw.prediction), "score": draw.score})
    for name in features.column_names:
        log = log.append_column(name, features[name])
    watermark = pc.max(draw.new["event_time"]).as_py()
    return judge_rows(of, beside(of, log, watermark), new.filter(pa.array(said.labelled & held)))


def _with_ids(rows: pa.Table, ids: list[str]) -> pa.Table:
    return rows.add_column(0, "row_id", pa.array(ids))


def _origins(rows: pa.Table, before: int, said: Labels, kept: Mask) -> pa.Table:
    chosen, nobody = np.flatnonzero(kept).tolist(), [None] * before
    count = len(chosen)
    authors = [None] * count if said.authors is None else [said.authors[one] for one in chosen]
    return pa.table(
        {
            "row_id": rows["row_id"],
            "position": pa.array(range(before + count), pa.int64()),
            "origin": [PROVIDED] * before + [said.origin] * count,
            "source": pa.nulls(before + count, pa.string()),
            "author": pa.array([*nobody, *authors], pa.string()),
            "key_id": pa.array([*nobody, *(said.keys[one] for one in chosen)], pa.string()),
            "known_at": pc.add(rows["event_time"], pa.scalar(DAY, pa.duration("us"))),
        }
    )


def refused_by(world: str, poison: str, seed: int, rows: int = ROWS) -> list[str]:
    """Return the guards that refuse a draw; of a poison the guard that is made for it is asked first, and the others
    only where it does not refuse."""
    draw = WORLDS[world](seed, rows)
    said = POISONS[poison](draw, seed)
    for guards in ([MADE_FOR[poison]] if poison in MADE_FOR else []), SET_GUARDS:
        modes = dict.fromkeys(set(SET_GUARDS) - set(guards), "off")
        found = judged(draw, said, replace(SPEC, training=replace(SPEC.training, guards=modes)))
        refusing = [one.name for one in found if one.passed is False]
        if refusing:
            return refusing
    return []


def main() -> None:
    """Print a row for each world and poison."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--world", nargs="+", default=list(WORLDS))
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    given = parser.parse_args()
    if "flights" in given.world:
        _flights()  # before the workers are forked
    print("| world | set | draws | refused | by |\n|---|---|---|---|---|")
    with ProcessPoolExecutor(given.workers) as pool:
        for world in given.world:
            for poison in POISONS:
                seeds = range(given.first_seed, given.first_seed + given.draws)
                _print_row(world, poison, list(pool.map(partial(refused_by, world, poison), seeds, chunksize=5)))


def _print_row(world: str, poison: str, found: Sequence[list[str]]) -> None:
    by = Counter(name for names in found for name in names)
    told = ", ".join(f"{name} {count}" for name, count in by.most_common())
    print(f"| {world} | {poison} | {len(found)} | {sum(map(bool, found))} | {told} |", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
