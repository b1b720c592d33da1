"""Bytes that are hardly a request: lengths, framing and header lines that are wrong or at odds."""

import json

from hypothesis import strategies as st

from tests.endurance.fuzzed import MOMENT, Known

LINES = [
    *[b"POST /endpoints/typed/invocations HTTP/1.1"] * 4,
    b"POST /endpoints/typed/labels HTTP/1.1",
    b"POST /keys HTTP/1.0",
    b"POST //endpoints/typed/infer HTTP/1.1",
    b"GET /endpoints/%ff%00/logs HTTP/1.1",
    b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1",
    b"PRI * HTTP/2.0",
]
ODD = [
    *[b"Content-Length: %s" % value for value in (b"-1", b"1e3", b"9" * 20, b"\xb2", b"+5", b"")],
    *[b"Transfer-Encoding: %s" % value for value in (b"chunked", b"x", b"chunked, identity")],
    *[b"X-User-Id: a\x00b", b"X-Api-Key", b"\xff: 1", b": 1", b"Content-Encoding: gzip", b"Expect: 100-continue"],
    *[b"Upgrade: websocket\r\nConnection: Upgrade", b"Connection: close", b"Host: other", b" folded: 1"],
]


@st.composite
def raw(draw: st.DrawFn, known: Known) -> bytes:
    """A request whose length, framing or header lines are wrong or at odds."""
    row = {"number": 1.5, "whole": 1, "flag": True, "word": "a", "moment": MOMENT}
    content = json.dumps({"dataframe_records": [row]}).encode()
    lengths = [b"Content-Length: %d" % (len(content) + more) for more in (-5, 0, 0, 7)]
    more = draw(st.lists(st.sampled_from(lengths) | st.sampled_from(ODD), min_size=1, max_size=3))
    sent = draw(st.just(content) | st.binary(max_size=200))
    head = [draw(st.sampled_from(LINES)), b"Host: gateway", b"X-API-Key: " + known.key.encode()]
    return b"\r\n".join([*head, b"Content-Type: application/json", *more, b"", sent])
