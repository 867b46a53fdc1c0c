"""Webhook secrets at rest: encrypted with the installation's key."""

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from app.errors import Invalid, Unavailable
from app.settings import Settings
from app.store import webhooks
from app.store.db import Database


class NoSecretKey(Invalid):
    """There is no usable `DOSETRAIL_SECRET_KEY`."""

    code = "no_secret_key"


class WrongSecretKey(Unavailable):
    """A stored secret was encrypted with another key."""

    code = "wrong_secret_key"


class Cipher:
    """Encrypts webhook secrets with the first of its keys, separated by commas; decrypts with any of them."""

    def __init__(self, keys: str) -> None:
        try:
            self._fernets = [Fernet(key.strip()) for key in keys.split(",")]
        except ValueError as error:
            raise NoSecretKey("DOSETRAIL_SECRET_KEY must be 32 bytes in url-safe base64") from error
        self._fernet = MultiFernet(self._fernets)

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

    @property
    def has_old_keys(self) -> bool:
        """Whether there is a key besides the one that encrypts."""
        return len(self._fernets) > 1


def cipher_of(settings: Settings) -> Cipher:
    """Return the cipher of an installation.

    Raises:
        NoSecretKey: PostgreSQL without a key, or a key that is none.
    """
    return Cipher(_secret_of(settings))


def keys_of(settings: Settings) -> list[str]:
    """Return the installation's keys, the one in use first: older ones still read what was written under them."""
    return [key.strip() for key in _secret_of(settings).split(",")]


def _secret_of(settings: Settings) -> str:
    """Return the installation's keys; beside a SQLite file one is made and kept when none is set.

    Raises:
        NoSecretKey: PostgreSQL without a key.
    """
    if settings.secret_key is not None:
        return settings.secret_key
    if settings.sqlite_path is None:
        raise NoSecretKey(
            "set DOSETRAIL_SECRET_KEY (32 bytes, url-safe base64): PostgreSQL has no place to keep it"
        )
    path = _key_file(settings.sqlite_path)
    if not path.exists():
        _write_key(path, Fernet.generate_key().decode())
    return path.read_text(encoding="ascii").strip()


async def rotate_keys(db: Database, settings: Settings) -> int:
    """Encrypt every webhook secret anew with the first key and return how many there are.

    A key beside a SQLite file is made anew, in front of the old ones: they stay, for they verify what they sealed.
    Whenever this is interrupted all secrets can still be read, and repeating it ends the work. Nobody may serve
    the file meanwhile.

    Raises:
        NoSecretKey: a key from the environment has no successor in front of it.
        WrongSecretKey: a secret was stored under a key that is not among these.
    """
    if settings.secret_key is None and settings.sqlite_path is not None:
        path = _key_file(settings.sqlite_path)
        old = path.read_text(encoding="ascii").strip() if path.exists() else ""
        new = Fernet.generate_key().decode()
        _write_key(path, f"{new},{old}".rstrip(","))
        return await _encrypt_anew(db, cipher_of(settings))
    cipher = cipher_of(settings)
    if not cipher.has_old_keys:
        raise NoSecretKey("set DOSETRAIL_SECRET_KEY to NEW,OLD everywhere, then run this")
    return await _encrypt_anew(db, cipher)


async def _encrypt_anew(db: Database, cipher: Cipher) -> int:
    async with db.transaction() as connection:
        stored = await webhooks.all_secrets(connection)
        anew = {row.id: cipher.encrypt(cipher.decrypt(row.encrypted)) for row in stored}
        await webhooks.replace_secrets(connection, anew)
    return len(anew)


def _key_file(database: Path) -> Path:
    return Path(f"{database}.key")


def _write_key(path: Path, text: str) -> None:
    """Write the key file whole or not at all, for its owner alone."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
