"""Section ``trust`` in an endpoint's YAML: right, and each fault by line, culprit and fix."""

from pathlib import Path

import pytest

from modelops_pipelines.core.endpoints.spec import EndpointSpec
from modelops_pipelines.core.endpoints.trust import MOST_KEYS, Trust
from modelops_pipelines.core.errors import OnboardingError
from modelops_pipelines.operations.endpoints.load import describe, read_endpoint
from tests.fakes.signing_keys import make_pair
from tests.unit.operations.endpoints.onboarding_files import MINIMAL

OUTSIDE = "Write a path inside the project's folder, such as keys/ci.pub"
UNPROVEN = (
    "proves nothing: MLflow's server records no author of a version, and the user of its run is what the client says. "
    "Trust who signed: 'signed_by: [keys/ci.pub]'"
)

# Lines that follow the minimal file: the first of them is line 7.
FAULTS = {
    "trust in a registry": ("trust: {registry: prod}", f"7: trust.registry: {UNPROVEN}"),
    "trust in a person": ("trust:\n  registered_by: [ada]", f"8: trust.registered_by: {UNPROVEN}"),
    "trust in an unknown thing": ("trust: {signed: [a]}", "7: trust.signed: is not a known key. Did you mean 'signed_by'?"),
    "trust in one key": (
        "trust: {signed_by: keys/ci.pub}",
        (
            "7: trust.signed_by: must be a list, but is text (keys/ci.pub). "
            "Write [ ] around the items, or '- ' before each item"
        ),
    ),
    "a key above the project": (
        "trust: {signed_by: [../ci.pub]}",
        f"7: trust.signed_by[0]: '../ci.pub' may lie outside of the project. {OUTSIDE}",
    ),
    "a key elsewhere": (
        "trust: {signed_by: [/etc/ci.pub]}",
        f"7: trust.signed_by[0]: '/etc/ci.pub' may lie outside of the project. {OUTSIDE}",
    ),
    "a key twice": (
        "trust:\n  signed_by:\n  - keys/ci.pub\n  - keys/ci.pub",
        "10: trust.signed_by[1]: duplicates trust.signed_by[0]. Keep one of them",
    ),
    "a key that is not there": (
        "trust: {signed_by: [keys/gone.pub]}",
        "7: trust.signed_by[0]: The key keys/gone.pub is no file. Create it, or correct its path",
    ),
    "a link out of the project": (
        "trust: {signed_by: [keys/link.pub]}",
        (
            "7: trust.signed_by[0]: The key keys/link.pub lies outside of the project. "
            "Copy the public key into the project's folder"
        ),
    ),
    "a private key": (
        "trust: {signed_by: [keys/ci.pem]}",
        (
            "7: trust.signed_by[0]: keys/ci.pem is a private key, which whoever reads the project could sign with. Put the "
            "public key there: openssl ec -in private.pem -pubout -out ci.pub; and make a new pair"
        ),
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a project with a pair of keys."""
    monkeypatch.chdir(tmp_path)
    make_pair(tmp_path / "keys")
    (tmp_path / "keys" / "link.pub").symlink_to(tmp_path.parent)


@pytest.mark.parametrize(("added", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_by_line_culprit_and_fix(added: str, message: str) -> None:
    content = "".join(f"  {line}\n" for line in added.splitlines())
    with pytest.raises(OnboardingError) as refused:
        _endpoint(content)
    assert [f"flights.yaml:{message}"] == [str(fault) for fault in refused.value.faults]


def test_keys_of_the_project_are_trusted() -> None:
    found = _endpoint("  trust: {signed_by: [keys/ci.pub]}\n")
    assert Trust(("keys/ci.pub",)) == found.trust
    assert {"signed_by": ["keys/ci.pub"]} == describe(found)["trust"]


@pytest.mark.parametrize("content", ["", "  trust: {}\n", "  trust: {signed_by: []}\n"])
def test_nobody_is_trusted_unless_it_is_said(content: str) -> None:
    assert Trust() == _endpoint(content).trust


def test_more_keys_than_are_tried_are_refused() -> None:
    keys = ", ".join(f"keys/{number}.pub" for number in range(MOST_KEYS + 1))
    with pytest.raises(OnboardingError, match="has 17 keys, and at most 16 are tried for a version"):
        _endpoint(f"  trust: {{signed_by: [{keys}]}}\n")


def _endpoint(added: str) -> EndpointSpec:
    path = Path("flights.yaml")
    path.write_text(MINIMAL + added)
    return read_endpoint(path)
