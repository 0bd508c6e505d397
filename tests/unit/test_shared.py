"""One question, many who want the answer, and some of them give up."""

from __future__ import annotations

import asyncio

import pytest

from mailfix.host.dns.shared import Shared


def test_many_who_ask_at_once_put_the_question_once() -> None:
    asked = []

    async def find() -> str:
        asked.append(1)
        await asyncio.sleep(0)
        return "answer"

    async def all_at_once() -> list[str]:
        shared: Shared[str, str] = Shared()
        return await asyncio.gather(*(shared.get("key", find) for _ in range(5)))

    assert asyncio.run(all_at_once()) == ["answer"] * 5
    assert len(asked) == 1


def test_who_gives_up_while_asking_leaves_the_question_to_the_next() -> None:
    async def find() -> str:
        await asyncio.sleep(0.01)
        return "answer"

    async def first_gives_up() -> list[str]:
        shared: Shared[str, str] = Shared()
        first = asyncio.create_task(shared.get("key", find))
        others = [asyncio.create_task(shared.get("key", find)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        return await asyncio.gather(*others)

    assert asyncio.run(first_gives_up()) == ["answer"] * 3


def test_who_gives_up_while_waiting_spoils_nobody_elses_answer() -> None:
    async def find() -> str:
        await asyncio.sleep(0.01)
        return "answer"

    async def second_gives_up() -> str:
        shared: Shared[str, str] = Shared()
        first = asyncio.create_task(shared.get("key", find))
        second = asyncio.create_task(shared.get("key", find))
        await asyncio.sleep(0)
        second.cancel()
        return await first

    assert asyncio.run(second_gives_up()) == "answer"


def test_a_failure_is_told_to_whoever_asks_and_not_kept() -> None:
    tries = []

    async def find() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("for once")
        return "answer"

    async def twice() -> str:
        shared: Shared[str, str] = Shared()
        with pytest.raises(OSError, match="for once"):
            await shared.get("key", find)
        return await shared.get("key", find)

    assert asyncio.run(twice()) == "answer"
