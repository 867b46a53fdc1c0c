"""Webhook secrets at rest, and the change of the key that encrypts them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from standardwebhooks import Webhook

from app.pipeline.secrets import Cipher, NoSecretKey, WrongSecretKey, cipher_of, rotate_keys
from app.settings import Settings
from app.store.db import Database
from tests.support.api import ADMIN_KEY, Api, serving
from tests.support.hooks import register, send, tell
from tests.support.receiver import receiving


def new_key() -> str:
    return Fernet.generate_key().decode()


def test_any_of_the_keys_reads_and_the_first_writes() -> None:
    old, new = new_key(), new_key()
    stored = Cipher(old).encrypt("whsec_x")

    both = Cipher(f"{new},{old}")

    assert both.decrypt(stored) == "whsec_x"
    assert Cipher(new).decrypt(both.encrypt("whsec_x")) == "whsec_x"
    with pytest.raises(WrongSecretKey):
        Cipher(new).decrypt(stored)
    with pytest.raises(NoSecretKey):
        Cipher("short")


async def test_after_a_rotation_the_new_key_alone_signs_what_is_sent(database_url: str) -> None:
    old, new = new_key(), new_key()
    async with receiving() as receiver:
        async with serving(database_url, secret_key=old, admin_key=ADMIN_KEY) as api:
            webhook = await register(api, receiver.url)
            await rotate(api, database_url, f"{new},{old}")
        async with serving(database_url, secret_key=new, admin_key=ADMIN_KEY) as api:
            await tell(api)
            await send(api)
    from_now_on = receiver.received[0]

    assert from_now_on.signed_with(Webhook(webhook["secret"]))


async def rotate(api: Api, database_url: str, keys: str) -> None:
    settings = Settings.model_validate({"database_url": database_url, "secret_key": keys})
    assert await rotate_keys(api.house.db, settings) == 1


async def test_a_key_without_a_successor_is_not_rotated(database_url: str) -> None:
    settings = Settings.model_validate({"database_url": database_url, "secret_key": new_key()})
    db = Database(database_url)

    with pytest.raises(NoSecretKey):
        await rotate_keys(db, settings)
    await db.close()


async def test_the_key_beside_a_sqlite_file_gets_a_successor_and_reads_no_secret_any_more(
    tmp_path: Path,
) -> None:
    path = tmp_path / "dosetrail.db"
    settings = Settings.model_validate({"database_url": f"sqlite+aiosqlite:///{path}", "secret_key": None})
    key_file = tmp_path / "dosetrail.db.key"
    old = cipher_of(settings)
    async with serving(settings.database_url, secret_key=None, admin_key=ADMIN_KEY) as api:
        webhook = await register(api, "http://127.0.0.1:9/hook")
        before = key_file.read_text()

        count = await rotate_keys(api.house.db, settings)

    with closing(sqlite3.connect(path)) as connection:
        stored = connection.execute("SELECT encrypted FROM webhook_secret").fetchone()[0]
    assert count == 1
    assert key_file.read_text().split(",")[1:] == [before]
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert cipher_of(settings).decrypt(stored) == webhook["secret"]
    with pytest.raises(WrongSecretKey):
        old.decrypt(stored)
