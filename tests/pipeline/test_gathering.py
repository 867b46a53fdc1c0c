"""Look-ups that wait together are made together, and none is answered from before it was asked."""

import asyncio
from collections.abc import Collection

import pytest

from app.errors import Unavailable
from app.pipeline.gathering import AT_ONCE_MAX, Gathering


class Slow:
    """A store that answers when it is let, from what it holds at that moment."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.values: dict[int, str] = {}
        self.let = asyncio.Event()
        self.fails = False

    async def read(self, keys: Collection[int]) -> dict[int, str]:
        self.asked.append(list(keys))
        seen = dict(self.values)
        await self.let.wait()
        if self.fails:
            raise Unavailable("away")
        return {key: seen[key] for key in keys if key in seen}


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_those_who_come_while_one_reads_are_read_together_and_each_key_once() -> None:
    slow = Slow()
    slow.values = {1: "one", 2: "two"}
    gathering = Gathering[int, str](slow.read)

    first = asyncio.create_task(gathering.get(1))
    await settle()
    others = [asyncio.create_task(gathering.get(key)) for key in (2, 3, 2, 1)]
    await settle()
    slow.let.set()

    assert await asyncio.gather(first, *others) == ["one", "two", None, "two", "one"]
    assert slow.asked == [[1], [2, 3, 1]]


async def test_nobody_is_told_what_stood_before_they_asked() -> None:
    slow = Slow()
    slow.values = {1: "old"}
    gathering = Gathering[int, str](slow.read)

    before = asyncio.create_task(gathering.get(1))
    await settle()
    slow.values = {1: "new"}
    after = asyncio.create_task(gathering.get(1))
    await settle()
    slow.let.set()

    assert list(await asyncio.gather(before, after)) == ["old", "new"]


async def test_a_failure_is_told_to_all_who_waited_for_it_and_to_nobody_later() -> None:
    slow = Slow()
    slow.fails = True
    slow.let.set()
    gathering = Gathering[int, str](slow.read)

    failed = await asyncio.gather(gathering.get(1), gathering.get(2), return_exceptions=True)
    slow.fails, slow.values = False, {1: "one"}

    assert [type(one) for one in failed] == [Unavailable, Unavailable]
    assert await gathering.get(1) == "one"


async def test_who_hangs_up_takes_nobody_along() -> None:
    slow = Slow()
    slow.values = {1: "one"}
    gathering = Gathering[int, str](slow.read)
    gone, staying = (asyncio.create_task(gathering.get(1)) for _ in range(2))
    await settle()

    gone.cancel()
    await settle()
    slow.let.set()

    assert await staying == "one"
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_crowd_is_read_in_parts() -> None:
    slow = Slow()
    slow.values = {key: str(key) for key in range(AT_ONCE_MAX + 1)}
    slow.let.set()
    gathering = Gathering[int, str](slow.read)

    found = await asyncio.gather(*map(gathering.get, slow.values))

    assert found == list(slow.values.values())
    assert [len(keys) for keys in slow.asked] == [AT_ONCE_MAX, 1]
