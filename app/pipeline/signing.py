"""Signing what is sent: `v1` with a shared secret, `v1a` with a private key, as Standard Webhooks has it."""

import base64
import hmac
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.domain.delivery import hmac_signature, signed_content

SHARED, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
TOLERANCE_S = 300
"""How far a delivery's timestamp may lie from a receiver's clock. Source: the Standard Webhooks reference libraries."""


def new_secret(scheme: str) -> str:
    """Return a new signing secret of 32 bytes: shared for `v1`, the private key of a pair for `v1a`."""
    prefix = PRIVATE if scheme == "v1a" else SHARED
    return prefix + base64.b64encode(secrets.token_bytes(32)).decode()


def shown(secret: str) -> tuple[str | None, str | None]:
    """Return what a subscriber may see of a secret: a shared one itself, or of a pair the public key."""
    if secret.startswith(SHARED):
        return secret, None
    public = _private_key(secret).public_key().public_bytes_raw()
    return None, PUBLIC + base64.b64encode(public).decode()


def signature(valid: Iterable[str], *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` header: one signature per valid secret."""
    content = signed_content(message_id, timestamp, body)
    return " ".join(_signed(secret, content) for secret in valid)


def verifies(secret: str, headers: Mapping[str, str], body: bytes, *, at: datetime) -> bool:
    """Say whether a delivery is genuine and of now, by a shared secret or a public key, as a receiver would."""
    try:
        timestamp = int(headers["webhook-timestamp"])
        content = signed_content(headers["webhook-id"], timestamp, body)
        signatures = headers["webhook-signature"].split(" ")
    except (KeyError, ValueError):
        return False
    if abs(at.timestamp() - timestamp) > TOLERANCE_S:
        return False
    if secret.startswith(PUBLIC):
        return any(_proves(secret, one, content) for one in signatures if one.startswith("v1a,"))
    wanted = _signed(secret, content)
    return any(hmac.compare_digest(wanted.encode(), one.encode()) for one in signatures)


def _proves(public: str, signed: str, content: bytes) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix(PUBLIC)))
        key.verify(base64.b64decode(signed.removeprefix("v1a,")), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(secret: str, content: bytes) -> str:
    if secret.startswith(SHARED):
        return hmac_signature(base64.b64decode(secret.removeprefix(SHARED)), content)
    return "v1a," + base64.b64encode(_private_key(secret).sign(content)).decode()


def _private_key(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret.removeprefix(PRIVATE)))
