"""Cohen's kappa between reviewers."""

from hypothesis import given
from hypothesis import strategies as st

from modelops_pipelines.core.improve.review.agreement import agreement, cohens_kappa

CATEGORIES = st.sampled_from("abc")
PAIRS = st.lists(st.tuples(CATEGORIES, CATEGORIES), min_size=1, max_size=40)
RATINGS = st.dictionaries(
    st.text("0123456789", min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(("ann", "bob", "cid")), CATEGORIES, max_size=3),
    max_size=30,
)


def test_kappa_of_the_textbook_is_four_tenths() -> None:
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    kappa = cohens_kappa(pairs)
    assert kappa is not None
    assert 0.4 == round(kappa, 12)


@given(PAIRS)
def test_kappa_is_at_most_one_and_the_same_for_both_orders_of_reviewers(pairs: list[tuple[str, str]]) -> None:
    kappa = cohens_kappa(pairs)
    assert kappa == cohens_kappa([(other, one) for one, other in pairs])
    assert kappa is None or -1 <= kappa <= 1


@given(PAIRS)
def test_kappa_does_not_depend_on_the_names_of_categories_or_the_order_of_predictions(
    pairs: list[tuple[str, str]],
) -> None:
    names = {"a": "z", "b": "y", "c": "x"}
    assert cohens_kappa(pairs) == cohens_kappa([(names[one], names[other]) for one, other in reversed(pairs)])


@given(st.lists(CATEGORIES, min_size=2, max_size=40))
def test_full_agreement_is_one_and_undefined_with_a_single_category(given_by_both: list[str]) -> None:
    expected = 1.0 if len(set(given_by_both)) > 1 else None
    assert expected == cohens_kappa([(one, one) for one in given_by_both])


def test_independent_reviewers_have_a_kappa_of_zero() -> None:
    assert 0.0 == cohens_kappa([(one, other) for one in "ab" for other in "ab"])


@given(RATINGS)
def test_the_agreement_of_several_is_the_mean_over_pairs_or_undefined_with_a_reason(
    ratings: dict[str, dict[str, str]],
) -> None:
    found = agreement(ratings)
    shared = [given for given in ratings.values() if len(given) > 1]
    assert (len(shared), sum(len(set(one.values())) == 1 for one in shared)) == (found.shared, found.agreed)
    assert (found.value is None) == (found.reason is not None) == (found.pairs == 0)
    assert found.value is None or -1 <= found.value <= 1


def test_of_three_reviewers_each_pair_counts_once() -> None:
    ratings = {
        "1": {"ann": "a", "bob": "a", "cid": "b"},
        "2": {"ann": "b", "bob": "b", "cid": "a"},
    }
    found = agreement(ratings)
    assert (3, (1.0 - 1.0 - 1.0) / 3) == (found.pairs, found.value)
