"""Signatures of webhooks are those of the Standard Webhooks convention."""

import pytest

from modelops_pipelines.channels.signatures import sign, signed_headers
from modelops_pipelines.core.errors import SettingsError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, SECONDS, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "whsec_" + "QUJD" * 11


def test_the_reference_vector_of_the_convention() -> None:
    assert sign(SECRET, ID, SECONDS, BODY) == SIGNATURE


def test_the_prefix_may_be_left_out() -> None:
    assert sign(SECRET.removeprefix("whsec_"), ID, SECONDS, BODY) == SIGNATURE


def test_each_header_of_a_try() -> None:
    expected = {"webhook-id": ID, "webhook-timestamp": str(SECONDS), "webhook-signature": SIGNATURE}
    assert expected == signed_headers([SECRET], ID, SECONDS, BODY)


def test_while_a_secret_is_rotated_both_sign() -> None:
    both = signed_headers([OTHER, SECRET], ID, SECONDS, BODY)["webhook-signature"].split(" ")
    assert [sign(OTHER, ID, SECONDS, BODY), SIGNATURE] == both


def test_without_a_secret_nothing_is_signed() -> None:
    assert "webhook-signature" not in signed_headers([], ID, SECONDS, BODY)


@pytest.mark.parametrize("secret", ["", "hunter2", "whsec_", "whsec_aGk=", "whsec_ü", "whsec_" + "QUJD" * 30])
def test_a_text_that_is_no_secret_is_refused_and_not_quoted(secret: str) -> None:
    with pytest.raises(SettingsError) as refused:
        sign(secret, ID, SECONDS, BODY)
    assert "openssl rand -base64 32" in refused.value.remedy
    assert not secret.strip("whsec_") or secret not in str(refused.value)
