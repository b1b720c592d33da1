"""Profiles one by one, written as rows of the table: what a test wants stored."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from modelops_pipelines.core.profiles.profile import Profile
from modelops_pipelines.core.profiles.profile_stack import Stack
from modelops_pipelines.store.lake.rows.profiles import Hours, hours_to_rows, joined_rows


@dataclass(frozen=True)
class HourlyProfile:
    """One row: a column's profile of one hour (hours since 1970 UTC) as one version saw it."""

    hour: int
    version: str
    profile: Profile


def to_rows(profiles: Sequence[HourlyProfile]) -> pa.Table:
    """Return the profiles as rows of ``PROFILES``, in the order given."""
    made = [
        hours_to_rows(p.version, Hours(np.array([p.hour]), Stack.of(p.profile.bins, [p.profile]))) for p in profiles
    ]
    return joined_rows(made)
