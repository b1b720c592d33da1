"""Which Host is this gateway's, and the pages of which Origin may call it."""

import pytest

from modelops_pipelines.core.access.hosts import KnownHosts, known_hosts, read_hosts

PLAIN = known_hosts("127.0.0.1", ())
PROXIED = known_hosts("127.0.0.1", read_hosts("ml.example.com, Gate.Example:8443"))
OWN = ["localhost", "LOCALHOST:8000", "localhost.:80", "127.0.0.1", "127.8.9.1:9000", "[::1]", "[::1]:8000"]
FOREIGN = [
    "", " ", "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "127.1",
    "localhost:", "localhost:80:80", "localhost@evil.example", "evil.example, localhost", "localhost evil.example",
    "http://localhost", "localhost/", "[::1", "::1", "10.0.0.1", "0.0.0.0", "[::2]", "2130706433", "0x7f000001",
    "localhost\x00", "\u017focalhost", "-",
]  # fmt: skip


@pytest.mark.parametrize("host", OWN)
def test_loopback_is_served_at_any_port(host: str) -> None:
    assert PLAIN.serves(host)
    assert PROXIED.serves(host)


@pytest.mark.parametrize("host", FOREIGN)
def test_no_other_name_is_served(host: str) -> None:
    assert not PLAIN.serves(host)
    assert not PROXIED.serves(host)


@pytest.mark.parametrize(
    ("known", "host", "served"),
    [
        (PROXIED, "ML.example.com", True),
        (PROXIED, "ml.example.com:9000", True),
        (PROXIED, "sub.ml.example.com", False),
        (PROXIED, "gate.example:8443", True),
        (PROXIED, "gate.example", False),
        (known_hosts("10.1.2.3", ()), "10.1.2.3:8000", True),
        (known_hosts("fd00::1", ()), "[fd00::1]:8000", True),
    ],
)
def test_the_names_of_the_setting_and_the_address_are_served(known: KnownHosts, host: str, *, served: bool) -> None:
    assert served == known.serves(host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8000", "localhost:8000"),
        ("http://localhost:8000", "127.0.0.1:8000"),
        ("http://[::1]:8000", "localhost:8000"),
        ("http://LOCALHOST", "localhost:80"),
        ("https://ml.example.com", "ml.example.com"),
        ("https://ml.example.com", "127.0.0.1:8000"),
        ("https://gate.example:8443", "127.0.0.1:8000"),
        ("http://other.example:8000", "other.example:8000"),
    ],
)
def test_a_page_of_the_gateways_own_address_or_of_a_name_in_the_setting_may_call(origin: str, host: str) -> None:
    assert PROXIED.trusts(origin, host)


@pytest.mark.parametrize(
    "origin",
    [
        "", "null", "http://evil.example", "http://evil.example:8000", "http://localhost:3000", "http://127.0.0.1",
        "https://localhost", "http://localhost.evil.example:8000", "http://localhost:8000@evil.example",
        "http://localhost:8000/evil", "file://", "chrome-extension://abc", "localhost:8000", "http://",
        "http://ml.example.com.evil.example", "https://ml.example.com:9000", "https://gate.example",
        "http://localhost:8000, http://evil.example", "http://127.0.0.2:8000", "http://127.8.9.1:8000",
    ],
)  # fmt: skip
def test_no_other_page_may(origin: str) -> None:
    assert not PROXIED.trusts(origin, "localhost:8000")
    assert not PLAIN.trusts(origin, "localhost:8000")


@pytest.mark.parametrize("given", ["*", "a b", "http://a", "a/", "a,,b:x", "ü.example"])
def test_a_setting_that_names_no_host_is_refused_by_the_part_that_is_none(given: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_hosts(given)
