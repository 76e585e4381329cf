"""Choice and step-up on a request's page: the strongest first, and a weak answer loses nothing but itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flows.model import Method, Stage
from flows.standing import FAILURES
from tests.authenticator import SoftAuthenticator
from tests.browser.site import Site
from tests.handlers.test_standings import mistype
from tests.web.test_access import confirms, creates, opens, pages
from tests.web.wire import Wire

HERE = "Its button is right here, and nothing that you asked for is lost."


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Site]:
    async with pages(tmp_path) as running:
        yield running


async def test_the_passkey_stands_first_and_a_number_and_code_may_be_chosen(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya")
    wire = await Wire.of(desk, maya)
    await wire.get("/ask/password_reset")
    at = (await wire.post("/ask/password_reset")).header("location")
    page = (await wire.get(at)).text
    assert page.index("Use my passkey") < page.index("Use a number and my sign-in app instead")
    (request, *_) = await desk.acme.desk.concerning("maya")
    _, number = await desk.acme.desk.number(request.id)
    typed = {"number": number, "code": maya.code(desk.acme.hands())}
    assert (await wire.post(f"{at}/code", typed)).status == 303
    proof = (await desk.acme.desk.get(request.id)).verification
    assert proof is not None
    assert proof.method is Method.CODE


async def test_a_passkey_that_came_in_between_is_asked_for_on_the_same_page(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya", passkey=False)
    wire = await Wire.of(desk, maya)
    await wire.get("/ask/add_device")
    at = (await wire.post("/ask/add_device")).header("location")
    assert "Use my passkey" not in (await wire.get(at)).text
    (request, *_) = await desk.acme.desk.concerning("maya")
    _, number = await desk.acme.desk.number(request.id)
    soft = await desk.acme.adds(maya)
    answer = await wire.post(f"{at}/code", {"number": number, "code": maya.code(desk.acme.hands())})
    assert answer.status == 409
    assert "This request needs a stronger proof. Use a passkey" in answer.text
    assert HERE in answer.text
    assert "Use my passkey" in answer.text
    assert 'action="' + at + '/code"' not in answer.text
    assert (await desk.acme.desk.get(request.id)).stage is Stage.AWAITING_PROOF
    assert (await confirms(wire, soft, at)).json == {"location": at}
    assert (await desk.acme.desk.get(request.id)).stage is Stage.AWAITING_FULFILMENT


async def test_a_number_and_code_sent_where_a_passkey_is_demanded_are_stepped_up(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya")
    wire = await Wire.of(desk, maya)
    await wire.get("/ask/add_device")
    at = (await wire.post("/ask/add_device")).header("location")
    answer = await wire.post(f"{at}/code", {"number": "123456", "code": maya.code(desk.acme.hands())})
    assert (answer.status, HERE in answer.text) == (409, True)
    assert maya.passkeys is not None
    assert (await confirms(wire, maya.passkeys, at)).json == {"location": at}


async def test_after_too_many_wrong_codes_the_passkey_goes_on(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya")
    await mistype(desk.acme, maya, "password_reset", FAILURES - 1)
    wire = await Wire.of(desk, maya)
    await wire.get("/ask/group_access")
    request = await desk.acme.asks("account_unlock", "maya")
    at = f"/requests/{request.id}"
    await wire.get(at)
    _, number = await desk.acme.desk.number(request.id)
    wrong = "000000" if number != "000000" else "111111"
    await wire.post(f"{at}/code", {"number": wrong, "code": "000000"})
    answer = await wire.post(f"{at}/code", {"number": number, "code": maya.code(desk.acme.hands())})
    assert answer.status == 409
    assert "they don&#39;t count for now" in answer.text
    assert HERE in answer.text
    assert maya.passkeys is not None
    assert (await confirms(wire, maya.passkeys, at)).json == {"location": at}


async def test_with_nothing_strong_enough_left_it_says_what_to_add(desk: Site) -> None:
    """The code was right, but nothing that this person has left is enough for it any more."""
    maya = await desk.acme.enrolled("maya", passkey=False)
    wire = await Wire.of(desk, maya)
    request = await desk.acme.asks("password_reset", "maya")
    answer = await wire.post(f"/requests/{request.id}/code", {"number": "123456", "code": "123456"})
    assert answer.status == 409
    assert "nothing to answer here any more" in answer.text
    assert "Confirm with these" in answer.text, "the form stands there again"


async def test_one_more_passkey_goes_onto_the_same_device_under_its_own_name(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya", app=False)
    wire = await Wire.of(desk, maya)
    desk.acme.hands.forward(minutes=1)
    await desk.acme.house.registry.invite("maya", "x" * 43, "CS-00000", first=False)
    arrived = await wire.get(f"/enrol/{'x' * 43}")
    assert "Add a passkey to maya&#39;s phone" in arrived.text
    await opens(wire, "x" * 43)
    asked = (await wire.get("/enrol")).text
    assert "Name of this passkey" in asked
    assert (await creates(wire, SoftAuthenticator(desk.url), "")).status == 409
    key = SoftAuthenticator(desk.url)
    assert (await creates(wire, key, "Key on my key ring")).status == 200
    page = (await wire.get("/devices")).text
    assert "Can confirm with 2 passkeys" in page
    assert "Key on my key ring: a passkey on this device only" in page
    registration = await desk.acme.house.registry.registration("maya")
    assert [device.id for device in registration.live] == [maya.device]
    assert sorted(each.name for each in registration.proofs) == ["", "Key on my key ring"]
    request = await desk.acme.asks("password_reset", "maya")
    assert (await confirms(wire, key, f"/requests/{request.id}")).status == 200
    assert maya.passkeys is not None
    unlock = await desk.acme.asks("account_unlock", "maya")
    assert (await confirms(wire, maya.passkeys, f"/requests/{unlock.id}")).status == 200


async def test_a_passkey_that_is_there_already_isnt_added_again(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya", app=False)
    wire = await Wire.of(desk, maya)
    desk.acme.hands.forward(minutes=1)
    await desk.acme.house.registry.invite("maya", "x" * 43, "CS-00000", first=False)
    await opens(wire, "x" * 43)
    await wire.get("/enrol")
    begun = await wire.json("/enrol/begin", {"name": "Again"})
    excluded = [each["id"] for each in begun.json["publicKey"]["excludeCredentials"]]
    assert excluded == [each.id for each in (await desk.acme.house.registry.registration("maya")).proofs]
