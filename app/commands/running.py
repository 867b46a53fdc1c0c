"""What every command does: read the settings, run, and tell what is wrong in one line."""

import asyncio
from collections.abc import Coroutine
from itertools import takewhile
from typing import NoReturn, TypeVar

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console

from app.errors import DosetrailError
from app.settings import Settings

errors = Console(stderr=True)

T = TypeVar("T")


def settings_of_environment() -> Settings:
    """Return the settings, or end the command with a line for each that is wrong."""
    try:
        return Settings()
    except SettingsError as error:
        fail(f"{error}: write lists as JSON", code=2)
    except ValidationError as error:
        wrong: dict[str, list[str]] = {}
        for one in error.errors(include_input=False, include_url=False):
            # Beyond the first index the place is inside the value, and nothing that can be set.
            names = takewhile(lambda part: isinstance(part, str), one["loc"])
            name = "__".join(str(part).upper() for part in names)
            wrong.setdefault(name, []).append(one["msg"].removeprefix("Value error, "))
        fail(*(f"DOSETRAIL_{name}: {'; '.join(said)}" for name, said in wrong.items()), code=2)


def run(work: Coroutine[None, None, T]) -> T:
    """Run to the end, or end the command with what is wrong in a way we know."""
    try:
        return asyncio.run(work)
    except DosetrailError as error:
        fail(error.detail)


def fail(*lines: str, code: int = 1) -> NoReturn:
    """End the command with what is wrong."""
    for line in lines:
        errors.print(line, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code) from None
