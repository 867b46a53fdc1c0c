"""Signing what is sent: `v1` with a shared secret, `v1a` with a private key, as Standard Webhooks has it."""

import base64
import secrets
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.domain.delivery import hmac_signature, signed_content

SHARED, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"


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


def _signed(secret: str, content: bytes) -> str:
    if secret.startswith(SHARED):
        return hmac_signature(base64.b64decode(secret.removeprefix(SHARED)), content)
    return "v1a," + base64.b64encode(_private_key(secret).sign(content)).decode()


def _private_key(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret.removeprefix(PRIVATE)))
