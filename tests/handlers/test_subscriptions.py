"""Where devices are notified: kept, replaced, stopped, dropped when dead, never believed from a stranger's hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import select, update

from handlers import vapid
from handlers.subscriptions import Subscription
from storage.sql import TABLES
from tests.company import Phone, company


def there(phone: Phone, endpoint: str = "https://push.example.com/1") -> Subscription:
    return Subscription(phone.device, phone.person, endpoint, vapid.public(vapid.new()), "A" * 22)


async def test_a_device_is_notified_in_one_place(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        kept, maya = acme.house.subscriptions, await acme.enrolled("maya")
        assert await kept.of("maya") == []
        first, moved = there(maya), there(maya, "https://push.example.com/2")
        await kept.keep(first)
        await kept.keep(moved)
        assert await kept.of("maya") == [moved]
        assert await kept.on(maya.device)
        await kept.stop(maya.device)
        assert await kept.of("maya") == []
        assert not await kept.on(maya.device)


async def test_a_place_is_one_devices(database_url: str, tmp_path: Path) -> None:
    """Whoever is registered in a browser after somebody else is the one who is notified there."""
    async with company(database_url, tmp_path) as acme:
        kept = acme.house.subscriptions
        maya, omar = await acme.enrolled("maya"), await acme.enrolled("omar")
        await kept.keep(there(maya))
        await kept.keep(there(omar))
        assert await kept.of("maya") == []
        assert [each.device for each in await kept.of("omar")] == [omar.device]


async def test_a_dead_place_is_dropped_and_what_took_its_place_meanwhile_is_kept(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        kept, maya = acme.house.subscriptions, await acme.enrolled("maya")
        dead, alive = there(maya), there(maya, "https://push.example.com/2")
        await kept.keep(alive)
        await kept.drop(dead)
        assert await kept.of("maya") == [alive]
        await kept.drop(alive)
        assert await kept.of("maya") == []


async def test_a_revoked_devices_subscription_is_worth_nothing(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        kept, maya = acme.house.subscriptions, await acme.enrolled("maya")
        await kept.keep(there(maya))
        await acme.house.registry.revoke("maya", maya.device, "CS-00000")
        assert await kept.of("maya") == []


async def test_a_subscription_written_by_hand_isnt_believed(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        kept, maya, eve = acme.house.subscriptions, await acme.enrolled("maya"), await acme.enrolled("eve")
        table = TABLES["subscriptions"]
        await kept.keep(there(maya))
        await kept.keep(replace(there(eve), endpoint="https://evil.example.com/1"))
        mine = table.c.device == maya.device
        await acme.store.run(update(table).where(mine).values(endpoint="https://evil.example.com/2"))
        await acme.store.run(update(table).where(table.c.device == eve.device).values(person="maya"))
        assert await kept.of("maya") == []
        assert not await kept.on(maya.device)
        events = TABLES["audit_events"]
        noticed = select(events.c.body).where(events.c.type == "TamperingNoticed")
        assert [b'"subscriptions"' in bytes(each["body"]) for each in await acme.store.fetch(noticed)] == [
            True,
            True,
        ]
