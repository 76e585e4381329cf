"""Somebody says that Maya lost everything, and she reads it on the device she still has."""

from __future__ import annotations

from flows.model import Stage
from tests.browser.site import Site
from tests.web.test_access import confirms, desk  # noqa: F401  a fixture
from tests.web.wire import Wire


async def waits(site: Site, people: str = "maya ravi omar sam nina") -> tuple[str, dict[str, Wire]]:
    """A request that everybody agreed to, and the pages of these people."""
    phones = {person: await site.acme.enrolled(person) for person in people.split()}
    request = await site.acme.asks("lost_everything", "maya", by="ravi")
    await site.acme.proves(request, phones["ravi"])
    await site.acme.proves(request, phones["omar"])
    return request.id, {person: await Wire.of(site, phone) for person, phone in phones.items()}


async def test_it_stands_first_on_every_device_of_hers_and_two_presses_stop_it(desk: Site) -> None:  # noqa: F811
    id, pages = await waits(desk)
    maya = pages["maya"]
    home = (await maya.get("/")).text
    assert "One request waits for you" in home
    assert id in home
    shown = (await maya.get(f"/requests/{id}")).text
    assert "Did you lose every device?" in shown
    assert "I didn&#39;t lose anything" in shown
    assert "Cancel" not in shown
    asked = (await maya.get(f"/requests/{id}/object")).text
    assert "It closes at once, nothing is changed, and security is told." in asked
    assert (await maya.post(f"/requests/{id}/object")).status == 303
    assert "somebody who was told objected" in (await maya.get(f"/requests/{id}")).text
    assert (await desk.acme.desk.get(id)).stage is Stage.DENIED


async def test_security_can_object_or_shorten_it_and_reads_what_became_of_it(desk: Site) -> None:  # noqa: F811
    id, pages = await waits(desk)
    shown = (await pages["sam"].get(f"/requests/{id}")).text
    assert "Object: stop this" in shown
    assert "Shorten the wait" in shown
    assert "Shorten the wait" not in (await pages["nina"].get(f"/requests/{id}")).text
    assert (await pages["nina"].post(f"/requests/{id}/object")).status == 303
    assert "somebody who was told objected" in (await pages["nina"].get(f"/requests/{id}")).text
    assert "somebody who was told objected" in (await pages["sam"].get(f"/requests/{id}")).text


async def test_the_rest_of_the_wait_is_bought_with_a_passkey(desk: Site) -> None:  # noqa: F811
    phones = {person: await desk.acme.enrolled(person) for person in ("maya", "ravi", "omar", "sam", "eve")}
    request = await desk.acme.asks("lost_everything", "maya", by="ravi")
    await desk.acme.proves(request, phones["ravi"])
    await desk.acme.proves(request, phones["omar"])
    sam, eve = [await Wire.of(desk, phones[person]) for person in ("sam", "eve")]
    assert (await eve.get(f"/requests/{request.id}")).status == 404
    keys = phones["sam"].passkeys
    assert keys is not None
    assert (await confirms(sam, keys, f"/requests/{request.id}")).status == 200
    assert (await desk.acme.desk.get(request.id)).stage is Stage.AWAITING_FULFILMENT
