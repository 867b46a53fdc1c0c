"""One frozen set of settings, read from the environment (`DOSETRAIL_…`, nested with `__`)."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.clock import BadClock, parse_clock, wall_now

SQLITE = "sqlite+aiosqlite:///"


class SchedulerSettings(BaseModel):
    """When the service looks for due work."""

    tick_seconds: float = Field(
        default=1.0, gt=0, le=60, description="Wall seconds between two looks for due work."
    )


class WebhookSettings(BaseModel):
    """What the dispatcher may reach."""

    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(),
        description="Networks (CIDRs) that webhooks may reach although they are private; http:// only inside them.",
    )


class Settings(BaseSettings):
    """Everything that differs between two installations."""

    model_config = SettingsConfigDict(
        env_prefix="DOSETRAIL_", env_nested_delimiter="__", frozen=True, extra="ignore"
    )

    database_url: str = Field(
        default="sqlite+aiosqlite:///./dosetrail.db",
        description="`sqlite+aiosqlite:///FILE` for one machine, `postgresql+asyncpg://…` for many.",
    )
    bootstrap_admin_key: str | None = Field(
        default=None,
        min_length=32,
        pattern=r"^dtk_",
        description="Creates organisation `default` and an admin key that is exactly this text, when no key exists.",
    )
    secret_key: str | None = Field(
        default=None,
        description="32 bytes, url-safe base64: encrypts webhook secrets. Made beside a SQLite file when absent.",
    )
    clock: str = Field(
        default="real", description="`real`, or `2026-01-01T00:00:00Z@60`: begin there, 60 times as fast."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log line that is written."
    )
    scheduler: SchedulerSettings = Field(
        default_factory=SchedulerSettings, description="When due work is looked for."
    )
    webhooks: WebhookSettings = Field(
        default_factory=WebhookSettings, description="What the dispatcher may reach."
    )

    @field_validator("clock")
    @classmethod
    def _clock_is_readable(cls, text: str) -> str:
        try:
            parse_clock(text, wall_at=wall_now())
        except BadClock as error:
            raise ValueError(error.detail) from error
        return text

    @field_validator("database_url")
    @classmethod
    def _database_is_supported(cls, url: str) -> str:
        if not url.startswith((SQLITE, "postgresql+asyncpg://")):
            raise ValueError("write sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/NAME")
        folder = Path(url.removeprefix(SQLITE)).parent
        if url.startswith(SQLITE) and not folder.is_dir():
            raise ValueError(f"there is no folder {folder} to keep the file in")
        return url

    @property
    def sqlite_path(self) -> Path | None:
        """Return the SQLite file, or None on PostgreSQL."""
        url = self.database_url
        return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None
