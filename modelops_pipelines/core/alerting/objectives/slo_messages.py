"""Verdicts on objectives in words: what is bad, how fast the budget burns, what is left, when it is gone."""

from dataclasses import dataclass
from datetime import timedelta

from modelops_pipelines.core.alerting.objectives.burn_rates import ABSENT, BURNS, CLEAR, Burn, Counts, rate_limit
from modelops_pipelines.core.alerting.objectives.slo import Budget, in_words
from modelops_pipelines.core.durations import format_duration


@dataclass(frozen=True)
class Words:
    """An objective's name, what its events are, and what bad ones did: "requests", "took over 300 ms"."""

    name: str
    events: str
    did: str


def verdict_message(words: Words, budget: Budget, state: str, burn: Burn | None, gone_in: timedelta | None) -> str:
    """Return the message of a verdict; ``burn`` is the burn rate that says it."""
    if burn is None or state == ABSENT:
        span = "" if burn is None else f" in the last {format_duration(burn.rate.long)}"
        return f"not judged: no {words.events}{span}: an objective without data is absent, not met"
    if state == BURNS:
        return f"{words.name}: {_burn_text(words, budget, burn)}. {_budget_text(budget, gone_in)}"
    if state != CLEAR:
        return f"not judged: {words.name}: {_burn_text(words, budget, burn)}: {_doubt(words, budget, burn)}"
    return f"{words.name}: no burn rate is over its limit. {_budget_text(budget, gone_in)}"


def _doubt(words: Words, budget: Budget, burn: Burn) -> str:
    """Return why a burn rate is undecided."""
    short = format_duration(burn.rate.short)
    if not burn.short.n:
        return f"no {words.events} in the last {short}"
    if burn.short.is_at(rate_limit(burn.rate.times, 1 - budget.objective)):
        return "too few to exclude chance"
    return f"too few in the last {short} to tell that it is over"


def share_text(share: float) -> str:
    """Return a share as a percentage, with as many digits as tell it from 100 %."""
    return f"{share * 100:.3g} %" if share < 0.99 else f"{share * 100:.10g} %"  # noqa: PLR2004 - 99.95 keeps its digits


def _burn_text(words: Words, budget: Budget, burn: Burn) -> str:
    multiple = burn.long.share / (1 - budget.objective)
    long = f"{_counted(burn.long)} {words.events} {words.did} in the last {format_duration(burn.rate.long)}"
    short = f"{_counted(burn.short)} in the last {format_duration(burn.rate.short)}"
    limit = f"{multiple:.3g} times what {share_text(budget.objective)} allows (limit {burn.rate.times:g} times)"
    return f"{long} and {short}, {limit}"


def _counted(counts: Counts) -> str:
    return f"{counts.bad:,} of {counts.n:,}"


def _budget_text(budget: Budget, gone_in: timedelta | None) -> str:
    if budget.left is None:
        return "There is no error budget yet"
    over = f"the error budget of {format_duration(budget.over)}"
    if budget.left <= 0:
        return f"{over[0].upper()}{over[1:]} is spent ({(1 - budget.left) * 100:.0f} % of it)"
    gone = "" if gone_in is None else f"; at this rate it is gone in {in_words(gone_in)}"
    return f"{budget.left * 100:.0f} % of {over} is left{gone}"
