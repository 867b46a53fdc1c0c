"""Signatures as the Standard Webhooks specification has them."""

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.pipeline import signing

# Source: the worked example of the Standard Webhooks specification (symmetric signatures), and the test
# vector that its reference libraries share.
VECTORS = [
    (
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1649367553,
        b'{"email":"test@example.com","username":"test_user"}',
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    ),
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
]


@pytest.mark.parametrize(("secret", "message_id", "timestamp", "body", "expected"), VECTORS)
def test_the_signature_is_the_specifications(
    secret: str, message_id: str, timestamp: int, body: bytes, expected: str
) -> None:
    signed = signing.signature([secret], message_id=message_id, timestamp=timestamp, body=body)

    assert signed == expected


def test_each_valid_secret_signs_on_its_own() -> None:
    valid = [signing.new_secret("v1"), signing.new_secret("v1a"), signing.new_secret("v1")]

    signed = signing.signature(valid, message_id="m", timestamp=0, body=b"{}")

    alone = [signing.signature([one], message_id="m", timestamp=0, body=b"{}") for one in valid]
    assert signed.split(" ") == alone
    assert [one.split(",")[0] for one in alone] == ["v1", "v1a", "v1"]


def test_of_a_key_pair_only_the_public_key_is_shown_and_it_verifies() -> None:
    private = signing.new_secret("v1a")
    secret, public = signing.shown(private)

    signed = signing.signature([private], message_id="m", timestamp=7, body=b"{}")

    assert secret is None
    assert public is not None
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    proof = base64.b64decode(signed.removeprefix("v1a,"))
    key.verify(proof, b"m.7.{}")
    with pytest.raises(InvalidSignature):
        key.verify(proof, b"m.8.{}")
