"""Webhook secrets at rest: encrypted with the installation's key."""

import base64
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from app.errors import Invalid, Unavailable
from app.settings import Settings


class NoSecretKey(Invalid):
    """There is no usable `DOSETRAIL_SECRET_KEY`."""

    code = "no_secret_key"


class WrongSecretKey(Unavailable):
    """A stored secret was encrypted with another key."""

    code = "wrong_secret_key"


class Cipher:
    """Encrypts and decrypts webhook secrets."""

    def __init__(self, key: str) -> None:
        try:
            self._fernet = Fernet(key)
        except ValueError as error:
            raise NoSecretKey("DOSETRAIL_SECRET_KEY must be 32 bytes in url-safe base64") from error

    def encrypt(self, secret: str) -> str:
        """Return what may be stored."""
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """Return the secret.

        Raises:
            WrongSecretKey: it was stored under another key.
        """
        try:
            return self._fernet.decrypt(stored).decode()
        except InvalidToken as error:
            raise WrongSecretKey("a webhook secret was stored under another DOSETRAIL_SECRET_KEY") from error


def new_secret() -> str:
    """Return a new signing secret of 32 bytes, in the Standard Webhooks form."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def cipher_of(settings: Settings) -> Cipher:
    """Return the cipher of an installation.

    Raises:
        NoSecretKey: PostgreSQL without a key, or a key that is none.
    """
    return Cipher(secret_of(settings))


def secret_of(settings: Settings) -> str:
    """Return the installation's key; beside a SQLite file it is made and kept when none is set.

    Raises:
        NoSecretKey: PostgreSQL without a key.
    """
    if settings.secret_key is not None:
        return settings.secret_key
    if settings.sqlite_path is None:
        raise NoSecretKey(
            "set DOSETRAIL_SECRET_KEY (32 bytes, url-safe base64): PostgreSQL has no place to keep it"
        )
    path = Path(f"{settings.sqlite_path}.key")
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(Fernet.generate_key().decode())
    return path.read_text(encoding="ascii").strip()
