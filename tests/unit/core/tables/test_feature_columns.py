"""A feature's column: no two features share one, none is a column of ours, and each tells its feature."""

from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.tables.feature_columns import PREFIX, column_of, feature_of
from modelops_pipelines.core.tables.lake import SYSTEM_COLUMNS

_TAKEN = {name.casefold() for name in SYSTEM_COLUMNS}
OURS = st.sampled_from(sorted(SYSTEM_COLUMNS)).flatmap(lambda name: st.sampled_from([name, name.upper(), name.title()]))
NAMES = st.one_of(st.text(max_size=8), OURS).flatmap(
    lambda name: st.integers(0, 3).map(lambda times: times * PREFIX + name)
)


@given(NAMES)
def test_a_column_tells_its_feature_and_is_none_of_ours(name: str) -> None:
    assert name == feature_of(column_of(name))
    assert column_of(name).casefold() not in _TAKEN


@given(NAMES, NAMES)
def test_two_features_have_two_columns_also_without_regard_to_capitals(one: str, other: str) -> None:
    assert (one.casefold() == other.casefold()) == (column_of(one).casefold() == column_of(other).casefold())


@given(st.text(max_size=8).filter(lambda name: name.casefold().removeprefix(PREFIX) not in _TAKEN))
def test_any_other_name_is_its_own_column(name: str) -> None:
    assert name == column_of(name) == feature_of(name)
