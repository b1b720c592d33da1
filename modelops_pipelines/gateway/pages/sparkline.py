"""A line's worth of a chart: requests by hour as bars, with those that failed at their foot."""

from collections.abc import Sequence

from modelops_pipelines.operations.reports.svg import BLUE, RED, blocks

WIDTH, HEIGHT = 120, 28
_GAP, _LEAST = 1.0, 1.0


def sparkline(hours: Sequence[tuple[int, int]]) -> str:
    """Return an SVG of (requests, errors) by hour, oldest first; its title says the sums. "" without requests."""
    most = max((requests for requests, _ in hours), default=0)
    if not most:
        return ""
    step = WIDTH / len(hours)
    bars = [_box(step * n, step - _GAP, requests / most) for n, (requests, _) in enumerate(hours) if requests]
    failed = [_box(step * n, step - _GAP, errors / most) for n, (_, errors) in enumerate(hours) if errors]
    requests, errors = (sum(hour[place] for hour in hours) for place in (0, 1))
    title = f"{requests:,} requests in {len(hours)} hours, at most {most:,} in one; {errors:,} failed"
    return (
        f'<svg class="spark" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img"><title>{title}</title>{blocks(bars, BLUE, 1)}{blocks(failed, RED, 1)}</svg>'
    )


def _box(x: float, width: float, share: float) -> tuple[float, float, float, float]:
    height = max(_LEAST, share * HEIGHT)
    return x, HEIGHT - height, width, height
