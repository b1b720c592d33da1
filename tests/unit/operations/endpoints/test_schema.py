"""The JSON schema of an endpoint's attributes refuses nothing that the validation accepts, and names what it refuses."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.operations.endpoints.load import describe, endpoint_from_attributes
from modelops_pipelines.operations.endpoints.yaml.schema import attributes_schema
from tests.support.paths import ROOT
from tests.unit.operations.endpoints.onboarding_classes import CLASSES
from tests.unit.operations.endpoints.onboarding_files import FULL, MINIMAL
from tests.unit.operations.endpoints.onboarding_gate import GATED
from tests.unit.operations.endpoints.onboarding_guards import GUARDED
from tests.unit.operations.endpoints.onboarding_label_sources import SOURCES
from tests.unit.operations.endpoints.onboarding_monitoring import WATCHED
from tests.unit.operations.endpoints.onboarding_rules import RULED

SCHEMA = Draft202012Validator(attributes_schema())
ENDPOINT = "type: modelops_pipelines.ModelEndpoint\n"
FENCED = re.compile(r"^ *```yaml[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
FILES = [
    *(ROOT / "examples").rglob("*.yaml"),
    *(ROOT / "modelops_pipelines" / "cli" / "templates").rglob("*.yaml"),
]
PAGES = sorted((ROOT / "docs").glob("*.md"))
EXAMPLES = [
    *(MINIMAL, FULL, GATED, GUARDED, SOURCES, WATCHED, RULED),
    *(f"{MINIMAL}  {line}\n" for line in CLASSES),
    *(text for path in FILES if (text := path.read_text()).startswith(ENDPOINT)),
    *(text for page in PAGES for text in FENCED.findall(page.read_text()) if text.startswith(ENDPOINT)),
]
BASE = yaml.safe_load(MINIMAL)["attributes"]
PLAIN = st.one_of(
    st.booleans(),
    st.integers(-3, 10_000),
    st.floats(0, 1),
    st.sampled_from(["hour", "day", "7d", "30m", "never", "100/minute", "canary", "drift", "auc", "late", "a b", "", "{{ env.X }}"]),
    st.none(),
)  # fmt: skip
VALUES = st.recursive(
    PLAIN, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner))
)


def _within(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values that the schema might be of: its keys, at any depth, with right and wrong values."""
    if "properties" in schema:
        keys = {key: _within(value) for key, value in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional=keys)
    if schema.get("type") == "array":
        return st.lists(_within(schema["items"]), max_size=2)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return st.one_of(*map(_within, schema["anyOf"]), VALUES) if "anyOf" in schema else VALUES


@pytest.mark.parametrize("content", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_and_its_description_is_of_the_schema(content: str) -> None:
    attributes = yaml.safe_load(content)["attributes"]
    assert [] == [error.message for error in SCHEMA.iter_errors(attributes)]


def test_there_are_examples_of_the_docs() -> None:
    assert len(EXAMPLES) > len(CLASSES) + 10


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_the_validation_accepts_is_of_the_schema(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(attributes_schema()["properties"])))
    attributes = {**BASE, key: data.draw(_within(attributes_schema()["properties"][key]))}
    try:
        spec = endpoint_from_attributes(attributes, "defs.yaml")
    except OnboardingError:
        return
    assert [] == [error.message for error in SCHEMA.iter_errors(attributes)]
    assert [] == [error.message for error in SCHEMA.iter_errors(describe(spec))]


@pytest.mark.parametrize(
    ("given_", "culprit"),
    [
        ({"windw": "day"}, "windw"),
        ({"window": "week"}, "week"),
        ({"drift": {"minimum": "many"}}, "many"),
        ({"drift": {"minimun": 5}}, "minimun"),
        ({"alerts": [{"kind": "drift", "abov": 1}]}, "abov"),
        ({"label_horizon": "soon"}, "soon"),
        ({"owners": "me"}, "me"),
    ],
)
def test_a_misspelt_key_and_a_value_of_another_type_are_refused(given_: dict[str, Any], culprit: str) -> None:
    assert culprit in " ".join(_messages(SCHEMA.iter_errors({**BASE, **given_})))


def _messages(errors: Any) -> list[str]:
    return [text for error in errors for text in (error.message, *_messages(error.context))]


def test_the_keys_that_every_endpoint_needs_are_asked_for() -> None:
    assert sorted(attributes_schema()["required"]) == ["label", "name", "task"]  # elsewhere there is no model_name


def test_what_dagster_puts_in_a_template_s_place_is_not_known_here() -> None:
    assert SCHEMA.is_valid({**BASE, "drift": {"minimum": "{{ env.MINIMUM }}"}, "owners": "{{ owners }}"})
