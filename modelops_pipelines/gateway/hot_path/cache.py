"""The prediction cache on the way of a request: asked before a version is, filled when the answer is in the log.

What is kept, and for how long: ``gateway.model_runtime.prediction_cache``. A swap begins with an empty cache, because
the cache belongs to the endpoint as it is served (``gateway.worker.served_endpoint``).
"""

import asyncio
import time
from functools import partial

from modelops_pipelines.core.release.desired_state import Variant
from modelops_pipelines.gateway.hot_path.prediction_record import Exchange
from modelops_pipelines.gateway.model_runtime.prediction_cache import PredictionCache, content_hash, outcome_of
from modelops_pipelines.operations.model_runtime.loaded_model import Outcome, Rows


async def kept_outcome(
    exchange: Exchange, cache: PredictionCache, variant: Variant, rows: Rows, *, is_large: bool
) -> Outcome | None:
    """Return the answer that is kept of an equal request to the same version, None without one.

    What takes its time for a large request is done in a thread.
    """
    hashed = partial(content_hash, variant.version, rows)
    exchange.cache_key = await asyncio.to_thread(hashed) if is_large else hashed()
    kept = cache.find(exchange.cache_key, time.monotonic())
    exchange.cache_hit = kept is not None
    if kept is None:
        return None
    return await asyncio.to_thread(outcome_of, kept) if is_large else outcome_of(kept)


def keep_outcome(exchange: Exchange, cache: PredictionCache) -> None:
    """Keep the answer of a request that was looked for in vain; called once it is in the log."""
    if exchange.cache_key is not None and exchange.outcome is not None and not exchange.cache_hit:
        cache.keep(exchange.cache_key, exchange.outcome, time.monotonic())
