"""What may happen to devices: links, sign-ons, codes, losses and freezes, by right and wrong people."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from flows import registration as registering
from flows.model import Method, Playbook
from flows.registration import INIT, SIGN_ON, Authenticator, Change, Device, Invitation
from tests.flows.lives.company import Company, Number
from tests.flows.lives.onlooker import (
    ACCESS,
    ADD,
    CODE,
    DAY,
    DISABLE,
    HOUR,
    ONE,
    PASSKEY,
    PERSONS,
    RECALL,
    RECALL_ONE,
    REMOVE,
    SECOND,
    Kept,
    Link,
)
from tests.flows.stories import ENROLMENT, RESET

WAITS = [timedelta(minutes=1)] * 3 + [timedelta(minutes=9), timedelta(minutes=50), HOUR, DAY, 3 * DAY]


class Lives(Company):
    """Everything that can happen to what is registered."""

    # -- who asks for what --------------------------------------------------------------------

    def order(self, playbook: Playbook, asker: str, subject: str, n: int) -> str | None:
        return self.asks(playbook, asker, subject, self.key(asker, n), self.ally(subject, asker, n))

    def asks(
        self, playbook: Playbook, asker: str, subject: str, key: str, ally: tuple[str, str]
    ) -> str | None:
        allowed = self.model.allows(playbook.name, asker, subject, key, ally, self.now)
        id = self.ordered(playbook, asker, subject, key, ally)
        assert (id is not None) == allowed, (
            f"{playbook.name} of {asker} for {subject} with {key} and {ally}: {id}"
        )
        self.seen[f"{playbook.name} {'ordered' if id else 'refused'}"] += 1
        return id

    def invited(self, id: str | None, person: str, *, first: bool, stands_for: bool) -> None:
        """A link because a request ordered it, or `init` did."""
        if id is None:
            return
        allowed = not (first and self.model.ever(person))
        made = Invitation(self.fresh("link"), person, id, self.now + HOUR, first)
        if self.agree("a link", allowed, lambda: registering.invite(self.registration(person), made), person):
            self.model.links[made.id] = Link(person, first, made.expires_at, stands_for)

    @initialize(
        most=st.sampled_from([6, 6, 6, 5, 4, 2, 0]),
        later=st.sampled_from([True, True, False]),
        apps=st.sampled_from([63, 63, 0b101101, 0]),
    )
    def a_company_at_work(self, most: int, later: bool, apps: int) -> None:
        """Mostly some have devices already: the first two by `init`, the others by joining."""
        for place, person in enumerate(("nina", "sam", "maya", "omar", "ravi", "eve")[:most]):
            b = place  # a browser of their own
            if place < 2:
                self.init_makes_the_first_two(place)
                self.opens(list(self.links)[-1], self.browser(b))
            else:
                self.joins(person, self.browser(b))
            self.binds(list(self.links)[-1], self.browsers[self.browser(b)], person, PASSKEY)
            if apps >> place & 1:
                self.binds(list(self.links)[-1], self.browsers[self.browser(b)], person, CODE)
        if later:
            self.now += timedelta(hours=72)

    @rule(n=Number)
    def init_makes_the_first_two(self, n: int) -> None:
        if len({kept.person for kept in self.model.devices.values()}) < 2:
            self.invited(INIT, ("nina", "sam")[n % 2], first=True, stands_for=True)

    @rule(n=Number, asker=Number, subject=Number)
    def a_first_link_is_ordered(self, n: int, asker: int, subject: int) -> None:
        who = ("nina", "sam")[asker % 2] if asker % 7 else self.person(asker)
        id = self.order(ENROLMENT, who, self.person(subject), n)
        self.invited(id, self.person(subject), first=True, stands_for=False)

    @rule(n=Number, asker=Number, subject=Number)
    def administrators_order_a_second_one(self, n: int, asker: int, subject: int) -> None:
        who = ("nina", "sam")[asker % 2] if asker % 7 else self.person(asker)
        id = self.order(SECOND, who, self.person(subject), n)
        self.invited(id, self.person(subject), first=False, stands_for=who != self.person(subject))

    @rule(n=Number, asker=Number, wrong=Number)
    def a_device_is_added(self, n: int, asker: int, wrong: int) -> None:
        subject = self.person(asker if wrong % 9 else wrong)
        self.invited(self.order(ADD, self.person(asker), subject, n), subject, first=False, stands_for=False)

    @rule(n=Number, who=Number)
    def somebody_joins_with_the_company_account(self, n: int, who: int) -> None:
        self.joins(self.person(who), self.browser(n))

    def joins(self, person: str, browser: str) -> None:
        cookie = self.browsers[browser]
        made = Invitation(self.fresh("link"), person, SIGN_ON, self.now + HOUR, True, cookie)
        allowed = not self.model.ever(person)
        if self.agree("joining", allowed, lambda: registering.join(self.registration(person), made), person):
            self.model.links[made.id] = Link(person, True, made.expires_at, False, cookie)

    # -- links --------------------------------------------------------------------------------

    def usable(self, id: str) -> bool:
        link = self.model.links.get(id)
        return (
            link is not None
            and link.used is None
            and self.now < link.until
            and not (link.first and self.model.ever(link.person))
        )

    @rule(n=Number, b=Number)
    def a_browser_opens_a_link(self, n: int, b: int) -> None:
        self.opens(self.link(n), self.browser(b))

    def opens(self, id: str, browser: str) -> None:
        cookie, link = self.browsers[browser], self.model.links.get(id)
        person = link.person if link else "eve"
        allowed = self.usable(id) and link is not None and link.cookie in (None, cookie)
        real, kept = self.registration(person), self.links.get(id)
        act = lambda: registering.open_invitation(real, kept, cookie, self.now)  # noqa: E731
        if self.agree("opening", allowed, act, person) and link is not None:
            link.cookie = cookie

    @rule(n=Number, b=Number, app=st.booleans(), other=Number)
    def a_browser_binds_what_its_link_is_for(self, n: int, b: int, app: bool, other: int) -> None:
        """Mostly the browser that opened it, for its own person."""
        id, cookie = self.link(n), self.browsers[self.browser(b)]
        link = self.model.links.get(id)
        if link is not None and other % 4:
            cookie = link.cookie or cookie
        person = link.person if link is not None and other % 11 else self.person(other)
        self.binds(id, cookie, person, CODE if app else PASSKEY)

    def binds(self, id: str, cookie: str, person: str, method: Method) -> None:
        """The page's part: the device is the one that this browser is, if it is that person's, else a new one."""
        link = self.model.links.get(id)
        here = next((d for d, k in self.model.devices.items() if k.cookie == cookie and not k.gone), None)
        known = here if here is not None and self.model.devices[here].person == person else None
        device = known or self.fresh("device")
        new = f"cookie of {device}" if known is None else self.model.devices[device].cookie
        bound = next((d for d in self.real[person].devices if d.id == device), None)
        bound = bound or Device(device, person, f"{person}'s device", new, self.now)
        key = Authenticator(self.fresh("key"), person, device, method, b"key", 0, self.now)
        allowed = self.may_bind(id, link, cookie, person, known, method)
        real, kept = self.registration(link.person if link else person), self.links.get(id)
        act = lambda: registering.enrol(real, kept, cookie, bound, key, self.now)  # noqa: E731
        if not self.agree(f"binding {method}", allowed, act, person) or link is None:
            return
        if known is None:
            self.model.devices[device] = Kept(person, new, self.now)
            for browser, held in self.browsers.items():
                self.browsers[browser] = new if held == cookie else held
        self.model.devices[device].keys[key.id] = method
        link.used, link.cookie = link.used or self.now, new
        if link.stands_for:
            self.model.vouched[person] = self.now

    @rule(n=Number, wait=st.sampled_from([0, 0, 5, 9, 10, 11, 30, 61]), app=st.integers(0, 4))
    def a_used_link_is_used_again(self, n: int, wait: int, app: int) -> None:
        """In the same sitting for an app, or too late, or for another passkey."""
        used = [id for id, link in self.model.links.items() if link.used is not None]
        if used:
            self.now += timedelta(minutes=wait)
            id = used[-1 - n % min(4, len(used))]
            link = self.model.links[id]
            self.binds(id, link.cookie or "", link.person, CODE if app else PASSKEY)

    def may_bind(
        self, id: str, link: Link | None, cookie: str, person: str, known: str | None, method: Method
    ) -> bool:
        """Once, by the browser that opened it, for its person; and within ten minutes an app beside the passkey."""
        if link is None or link.cookie != cookie or link.person != person:
            return False
        if link.used is None:
            return self.usable(id)
        on_it = self.model.devices[known].keys.values() if known else ()
        sitting = self.now < link.used + timedelta(minutes=10)
        return known is not None and sitting and method is CODE and CODE not in on_it

    # -- what becomes of devices --------------------------------------------------------------

    def device(self, person: str, n: int) -> str:
        mine = [id for id, kept in self.model.devices.items() if kept.person == person]
        pool = mine if mine and n % 6 else list(self.model.devices)
        return pool[n % len(pool)] if pool else "no device"

    def revoked(self, id: str | None, person: str, device: str) -> None:
        if id is None:
            return
        kept = self.model.devices.get(device)
        allowed = kept is not None and kept.person == person and not kept.gone
        real = self.registration(person)
        if self.agree("revoking", allowed, lambda: registering.revoke(real, device, id, self.now), person):
            assert kept is not None
            kept.gone = True

    @rule(n=Number, who=Number)
    def somebody_removes_a_device_of_theirs(self, n: int, who: int) -> None:
        if n % 3 == 0 or len(self.model.keys(self.person(who))) > 1:  # or there would be too few to tell of
            person = self.person(who)
            self.revoked(self.order(REMOVE, person, person, n), person, self.device(person, n))

    @rule(n=Number, asker=Number, subject=Number)
    def an_administrator_recalls_one(self, n: int, asker: int, subject: int) -> None:
        who = ("nina", "sam")[asker % 2] if asker % 7 else self.person(asker)
        person = self.person(subject)
        self.revoked(self.order(RECALL, who, person, n), person, self.device(person, n))

    def removed(self, id: str | None, person: str, key: str) -> None:
        """One passkey, while its device goes on with what else is on it."""
        if id is None:
            return
        owner = next((kept for kept in self.model.ever(person) if key in kept.counting), None)
        allowed = owner is not None and owner.keys[key] is PASSKEY and len(owner.counting) > 1
        every = (a for registration in self.real.values() for a in registration.authenticators)
        short, real = next((a.short for a in every if a.id == key), "none"), self.registration(person)
        act = lambda: registering.revoke_passkey(real, short, id, self.now)  # noqa: E731
        if self.agree("removing a passkey", allowed, act, person):
            assert owner is not None
            owner.lost.add(key)

    @rule(n=Number, who=Number)
    def somebody_removes_a_passkey_of_theirs(self, n: int, who: int) -> None:
        person = self.person(who)
        self.removed(self.order(ONE, person, person, n), person, self.key(person, n))

    @rule(n=Number, asker=Number, subject=Number)
    def an_administrator_recalls_a_passkey(self, n: int, asker: int, subject: int) -> None:
        who = ("nina", "sam")[asker % 2] if asker % 7 else self.person(asker)
        person = self.person(subject)
        self.removed(self.order(RECALL_ONE, who, person, n), person, self.key(person, n))

    @rule(n=Number, who=Number, name=st.sampled_from(["Phone", " ", "x" * 41, "Old\u202ephone"]))
    def somebody_renames_one(self, n: int, who: int, name: str) -> None:
        self.renames(self.person(who), self.device(self.person(who), n), name)

    def renames(self, person: str, device: str, name: str) -> None:
        kept = self.model.devices.get(device)
        allowed = kept is not None and kept.person == person and not kept.gone and name == "Phone"
        real = self.registration(person)
        self.agree("renaming", allowed, lambda: registering.rename(real, device, name), person)

    @rule(n=Number, who=Number, b=Number)
    def a_browser_signs_in_again(self, n: int, who: int, b: int) -> None:
        self.signs_in(self.person(who), self.browser(b), self.key(self.person(who), n))

    def signs_in(self, person: str, browser: str, id: str) -> None:
        """The verifier's part: the key is a passkey, and among those that count."""
        owner = next((k for k in self.model.devices.values() if id in k.keys), None)
        allowed = owner is not None and owner.counting.get(id) is PASSKEY
        whose = owner.person if owner else person
        key = next((a for a in self.real[whose].authenticators if a.id == id and a.method is PASSKEY), None)
        cookie = self.fresh("cookie")

        def act() -> Change:
            if key is None:
                raise KeyError(id)
            return registering.sign_in(self.registration(whose), key, cookie, "its key")

        if self.agree("signing in", allowed, act, whose) and owner is not None:
            owner.cookie = self.browsers[browser] = cookie

    # -- time and trouble ---------------------------------------------------------------------

    @rule(wait=st.sampled_from(WAITS))
    def time_passes(self, wait: timedelta) -> None:
        self.now += wait

    @rule(who=Number, n=Number)
    def somebody_is_frozen_or_let_go_on(self, who: int, n: int) -> None:
        self.freezes(self.person(who), self.now + DAY if n % 3 == 0 else self.now)

    def freezes(self, person: str, until: datetime) -> None:
        self.frozen[person] = self.model.resting[person] = until

    @rule(n=Number, who=Number, playbook=st.sampled_from([RESET, ACCESS, ACCESS, DISABLE]))
    def somebody_asks_for_something(self, n: int, who: int, playbook: Playbook) -> None:
        subject = self.person(n) if playbook is DISABLE else self.person(who)
        self.order(playbook, self.person(who), subject, n)

    # -- what always holds --------------------------------------------------------------------

    @invariant()
    def what_counts_is_what_was_bound_and_not_lost(self) -> None:
        for person in PERSONS:
            real = self.registration(person)
            kept = {id: k for id, k in self.model.devices.items() if k.person == person}
            assert {d.id for d in real.devices} == set(kept)
            assert {d.id for d in real.live} == {id for id, k in kept.items() if not k.gone}
            assert {a.id: a.method for a in real.proofs} == self.model.keys(person)
            assert {d.cookie_hash for d in real.live} == {k.cookie for k in kept.values() if not k.gone}
            assert all(d.cookie_hash == "" for d in real.devices if d.revoked_at)
            assert all(a.revoked_at for a in real.authenticators if kept[a.device].gone)
            until = real.young_until
            assert (until is not None and self.now < until) == self.model.new(person, self.now)

    @invariant()
    def a_link_binds_one_device_once(self) -> None:
        for id, link in self.model.links.items():
            assert (self.links[id].used_at, self.links[id].browser_hash) == (link.used, link.cookie)
