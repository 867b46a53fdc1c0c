"""Answers kept for a day, so that a repeated POST gets the first one again."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models.base import IdType, UtcDateTime


class KeptAnswer(SQLModel, table=True):
    """What a creating POST was answered, without secrets.

    The row is written in the transaction that created; `status` None: the answer itself was not kept.
    """

    __tablename__ = "kept_answer"
    __table_args__ = (sa.Index("ix_kept_answer_created_at", "created_at"),)
    key_id: str = Field(sa_type=IdType, primary_key=True)
    path: str = Field(max_length=200, primary_key=True)
    idempotency_key: str = Field(max_length=255, primary_key=True)
    digest: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)
    status: int | None = None
    location: str | None = Field(default=None, max_length=200)
    body: str | None = Field(default=None, sa_type=sa.Text)
