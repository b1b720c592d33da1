"""Each operation of the client against the gateway's OpenAPI document: path, query, headers, body, and answer."""

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import jsonschema
import pytest

from modelops_pipelines.client.answers.result import Listing
from modelops_pipelines.client.clients import AsyncClient, Client, Operations
from modelops_pipelines.client.connection.call import Call
from modelops_pipelines.client.connection.operation import operation
from modelops_pipelines.gateway.access.keyring import Keyring
from modelops_pipelines.gateway.routes.application import make_application
from tests.fakes.client_calls import ARGUMENTS

LEFT_OUT = {
    ("POST", "/endpoints/{endpoint}/infer"): "predict in another protocol, for clients of that protocol",
    ("POST", "/v2/models/{endpoint}/infer"): "the same, at the protocol's own address",
    ("GET", "/health/live"): "for supervisors of processes: any answer says it",
}
OPERATIONS = {
    name: inspect.getattr_static(kind, name)
    for kind in Operations.__mro__
    for name, value in vars(kind).items()
    if isinstance(value, operation)
}
RENAMED = {"next": "next_cursor"}
PAGES = {"items", "feedback", "rows"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document of all routes. The stores are not asked for: only handlers use them."""
    found: dict[str, Any] = make_application(None, None, Keyring(), None, None, None).openapi()  # type: ignore[arg-type]
    return found


def call_of(name: str) -> Call[Any]:
    arguments, options = ARGUMENTS[name]
    found: Call[Any] = getattr(Operations, name)(None, *arguments, **options)
    return found


def declared(document: Mapping[str, Any], call: Call[Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][call.path][call.method.lower()]
    return found


def test_each_public_operation_has_a_method_or_a_reason(document: dict[str, Any]) -> None:
    there = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    called = {(call.method, call.path) for call in map(call_of, OPERATIONS)}
    assert there == called | set(LEFT_OUT)
    assert not called & set(LEFT_OUT)
    assert set(OPERATIONS) == set(ARGUMENTS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_both_clients_have_the_method_with_its_documentation(name: str) -> None:
    for client in (Client, AsyncClient):
        assert inspect.getdoc(getattr(client, name)) == inspect.getdoc(OPERATIONS[name].describe)
        assert inspect.signature(getattr(client, name)).return_annotation


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_request_fits_the_document(name: str, document: dict[str, Any]) -> None:
    call = call_of(name)
    route = declared(document, call)
    given = {"path": dict(call.parts), "query": texts(call), "header": call.fields}
    for place, values in given.items():
        known = {one["name"]: one for one in route.get("parameters", []) if one["in"] == place}
        assert set(known) == set(values) - {"Content-Type"}, place
        for key, value in values.items():
            if key in known:
                check(value.decode() if isinstance(value, bytes) else value, known[key]["schema"], document)
    if "requestBody" in route:
        check(json.loads(call.content or b""), route["requestBody"]["content"]["application/json"]["schema"], document)
    assert (call.content is None) == ("requestBody" not in route)


def test_every_field_of_every_body_can_be_given(document: dict[str, Any]) -> None:
    given: dict[tuple[str, str], set[str]] = {}
    for call in map(call_of, OPERATIONS):
        if call.content is not None:
            body = json.loads(call.content)
            items = [body, *(item for value in body.values() if isinstance(value, list) for item in value)]
            given.setdefault((call.method, call.path), set()).update(
                *(item for item in items if isinstance(item, dict))
            )
    for (method, path), names in given.items():
        if not path.endswith("/invocations"):  # four forms of the same rows: one is sent
            assert names >= wanted(document, method, path), path


def wanted(document: Mapping[str, Any], method: str, path: str) -> set[str]:
    """Return the names of a body's fields, and of the messages in its lists."""
    content = document["paths"][path][method.lower()]["requestBody"]["content"]
    schema = content["application/json"]["schema"]
    message = resolved(schema.get("anyOf", [schema])[0], document)  # where no body will do, the other is null
    found = set(message["properties"])
    for part in message["properties"].values():
        inner = resolved(part.get("items", {}), document)
        found |= set(inner.get("properties", {}))
    return found


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_answer_is_read_into_all_its_fields(name: str, document: dict[str, Any]) -> None:
    call = call_of(name)
    right = next(answer for status, answer in declared(document, call)["responses"].items() if status < "300")
    schema = right["content"].get("application/json", {}).get("schema")
    hint = get_args(get_type_hints(OPERATIONS[name].describe)["return"])[0]
    assert list(differences(hint, schema or {"type": "string"}, document, name)) == []


def differences(hint: Any, schema: Mapping[str, Any], document: Mapping[str, Any], where: str) -> Iterator[str]:
    """Yield where a type of the client is not what the document says."""
    schema = resolved(schema, document)
    origin, arguments = get_origin(hint), get_args(hint)
    if isinstance(origin or hint, type) and issubclass(origin or hint, Listing):
        yield from page_differences(hint, schema, document, where)
    elif "anyOf" in schema:
        yield from union_differences(hint, schema["anyOf"], document, where)
    elif schema.get("type") == "array":
        inner = arguments[0] if arguments else Any
        yield from differences(inner, schema.get("items", {}), document, f"{where}[]")
    elif "properties" in schema:
        yield from object_differences(hint, schema, document, where)
    elif not plain(hint, schema):
        yield f"{where}: {hint} for {schema}"


def page_differences(hint: Any, schema: Mapping[str, Any], document: Mapping[str, Any], where: str) -> Iterator[str]:
    kind = get_args(hint)[0] if get_args(hint) else get_args(hint.__orig_bases__[0])[0]
    listing = get_origin(hint) or hint
    if "properties" not in schema:
        yield from differences(kind, schema["items"], document, where)
        return
    names = {RENAMED.get(name, name) for name in schema["properties"]} - PAGES - {"endpoint"}
    if not names <= {one.name for one in fields(listing)}:
        yield f"{where}: the page has {names}"
    items = next(part for name, part in schema["properties"].items() if name in PAGES)
    yield from differences(kind, items["items"], document, where)


def union_differences(hint: Any, options: list[Any], document: Mapping[str, Any], where: str) -> Iterator[str]:
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    nullable = any(option.get("type") == "null" for option in options)
    if nullable != (NoneType in kinds) and Any not in kinds:
        yield f"{where}: {hint} for {options}"
    for option in options:
        fitting = [kind for kind in kinds if not list(differences(kind, option, document, where))]
        if not fitting and option.get("type") != "null":
            yield f"{where}: nothing of {hint} is {option}"


def object_differences(hint: Any, schema: Mapping[str, Any], document: Mapping[str, Any], where: str) -> Iterator[str]:
    if not is_dataclass(hint):
        yield f"{where}: {hint} is no answer"
        return
    known: dict[str, Field[Any]] = {one.name: one for one in fields(hint)}
    hints = get_type_hints(hint)
    if set(known) != set(schema["properties"]):
        yield f"{where}: declare {set(schema['properties']) ^ set(known)}"
    for name, part in schema["properties"].items():
        if name in known:
            yield from differences(hints[name], part, document, f"{where}.{name}")
            if name not in schema.get("required", []) and known[name].default is MISSING and "default" not in part:
                has_factory = known[name].default_factory is not MISSING
                yield from () if has_factory else (f"{where}.{name} may be absent",)


def plain(hint: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value of the schema, which is neither a list nor a declared object, is of the type."""
    kinds = {"string": (str, datetime), "integer": (int,), "number": (float,), "boolean": (bool,), "null": (NoneType,)}
    if hint is Any or "type" not in schema:
        return True
    if schema["type"] == "object":
        return get_origin(hint) is not None and issubclass(get_origin(hint) or int, Mapping)
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return any(option in kinds[schema["type"]] for option in options)


def resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if list(schema) == ["allOf"]:
        return resolved(schema["allOf"][0], document)
    return schema


def check(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    jsonschema.validate(value, {**schema, "components": document["components"]})


def texts(call: Call[Any]) -> dict[str, Any]:
    """Return the query as the gateway reads it: numbers and truths out of their texts, lists where several are given."""
    found: dict[str, Any] = {}
    for name, value in call.parameters:
        original = call.query[name]
        if isinstance(original, list):
            found.setdefault(name, []).append(value)
        else:
            found[name] = original if isinstance(original, bool | int) else value
    return found
