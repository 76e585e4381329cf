"""Ways back in: recovery codes, and others who speak for somebody, with the wait in which anybody told can object."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from flows import recovery
from flows import registration as registering
from flows.commands import Approve, Object, Tick
from flows.effects import Announce, Tell
from flows.errors import Refusal
from flows.events import ChallengeFailed
from flows.model import LIMITS, Stage, Wrong
from flows.recovery import Code, CodeSet
from flows.registration import Invitation
from tests.flows.lives.company import Case, Number
from tests.flows.lives.devices import Lives
from tests.flows.lives.onlooker import (
    BOSS,
    CODE,
    CODES,
    DAY,
    GUARDED,
    HOUR,
    MINUTE,
    PERSONS,
    SECURITY,
    Demand,
    Link,
    Plea,
    allies_of,
    may_plead,
    quiet_until,
)
from tests.flows.stories import LOST

PASSKEY_NEEDED = Demand(passkey=True)
#: What goes with a recovery code.
APP, ACCOUNT = "the sign-in app", "the company account"


class Returns(Lives):
    """What happens to devices, and every way back in for whoever lost theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.cases: dict[str, Case] = {}
        self.pleas: dict[str, Plea] = {}

    # -- with codes -----------------------------------------------------------------------------

    @rule(n=Number, who=Number)
    def new_codes_are_made(self, n: int, who: int) -> None:
        self.has_new_codes(self.person(who), self.order(CODES, self.person(who), self.person(who), n))

    def has_new_codes(self, person: str, id: str | None) -> None:
        if id is None:
            return
        made = [self.fresh("code") for _ in range(3)]
        self.codes[person] = CodeSet(person, id, "salt", tuple(Code(each) for each in made), self.now)
        self.model.codes[person] = set(made)

    @rule(n=Number, who=Number, b=Number, beside=st.sampled_from([APP, APP, APP, ACCOUNT, ACCOUNT, ""]))
    def somebody_recovers_with_a_code(self, n: int, who: int, b: int, beside: str) -> None:
        """As handlers/recovery.py does it: the person isn't frozen, the app or the company account is theirs, and the
        code is unused."""
        having = [p for p in PERSONS if self.model.codes.get(p)]
        person = having[who % len(having)] if having and who % 6 else self.person(who)
        cookie = self.browsers[self.browser(b)]
        left = sorted(self.model.codes.get(person, ()))
        every = self.model.spent.union(*self.model.codes.values())
        spent = sorted(every - set(left)) if n % 3 == 0 else []
        pool = spent or left or sorted(every)
        self.recovers(person, cookie, pool[n % len(pool)] if pool else "no code", beside)

    def recovers(self, person: str, cookie: str, code: str, beside: str) -> None:
        left, mine = self.model.codes.get(person, set()), self.model.keys(person)
        second = beside == ACCOUNT or (beside == APP and CODE in mine.values())
        allowed = code in left and second and not self.model.rests(person, self.now)

        def act() -> None:
            apps = [proof for proof in self.registration(person).proofs if proof.method is CODE]
            shown = beside == ACCOUNT or (beside == APP and bool(apps))
            if not shown or person not in self.unfrozen() or person not in self.codes:
                raise KeyError(person)
            self.codes[person] = recovery.spend(self.codes[person], code, self.now)

        try:
            act()
        except KeyError:
            assert not allowed, "a good code was refused"
            self.seen["NotRecovered"] += 1
            return
        assert allowed, "somebody recovered, and nobody allowed it"
        self.seen[f"recovered with {beside}"] += 1
        self.recovered.setdefault(person, []).append(self.now)
        self.model.recovered.setdefault(person, []).append(self.now)
        self.model.codes[person].remove(code)
        self.model.spent.add(code)
        until = self.now + timedelta(minutes=15)
        made = Invitation(self.fresh("link"), person, "recovery", until, False, cookie)
        self.links[made.id] = made
        self.model.links[made.id] = Link(person, False, until, False, cookie)

    # -- by others: what is asked and agreed ---------------------------------------------------

    def plea(self, n: int) -> str | None:
        """Mostly one that isn't over, the newest first."""
        open_ = [id for id, plea in self.pleas.items() if not (plea.over or plea.done)]
        pool = open_ if open_ and n % 7 else list(self.pleas)
        return pool[-1 - n % min(3, len(pool))] if pool else None

    def free(self, *people: str) -> bool:
        return not any(self.model.rests(person, self.now) for person in people)

    def speaks(self, person: str, key: str) -> bool:
        """Whether this person may speak for another now, with this key."""
        new = self.model.new(person, self.now)
        return self.free(person) and not new and self.model.good(person, key, PASSKEY_NEEDED)

    def tried(self, what: str, case: Case, act: Callable[[], None], *, allowed: bool) -> bool:
        """The core does it when the onlooker allows it, and doesn't when not. A wrong answer is remembered."""
        before, no = len(case.happened), ""
        try:
            act()
        except Refusal as refusal:
            no = refusal.kind
        for event in case.happened[before:]:
            if isinstance(event, ChallengeFailed):
                misses, no = self.pleas[case.id].misses, "ChallengeFailed"
                misses[event.person] = misses.get(event.person, 0) + 1
        assert allowed == (not no), f"{what}: {'it was refused: ' + no if no else 'nobody allowed it'}"
        self.seen[no or what] += 1
        return allowed

    @rule(n=Number, who=Number, subject=Number)
    def somebody_says_that_another_lost_everything(self, n: int, who: int, subject: int) -> None:
        """Mostly one who may; for someone who has a device, or had one."""
        had = sorted({kept.person for kept in self.model.devices.values()})
        person = had[subject % len(had)] if had and subject % 8 else self.person(subject)
        likely = [p for p in (BOSS[person], "ravi", "nina", "sam") if p and p != person]
        asker = likely[who % len(likely)] if who % 7 else self.person(who)
        self.pleads(asker, person, self.key(asker, n))

    def pleads(self, asker: str, subject: str, key: str) -> str | None:
        case = Case(self.fresh("CS"), LOST, asker, subject)
        allowed = may_plead(asker, subject) and self.free(subject) and self.speaks(asker, key)
        plea = Plea(asker, subject, self.now)
        self.cases[case.id], self.pleas[case.id] = case, plea
        if self.tried("a plea", case, lambda: self.proved(case, key), allowed=allowed):
            return case.id
        del self.cases[case.id], self.pleas[case.id]
        return None

    @rule(n=Number, c=Number, who=Number)
    def somebody_agrees_to_it(self, n: int, c: int, who: int) -> None:
        if (id := self.plea(c)) is not None:
            plea = self.pleas[id]
            likely = sorted(allies_of(plea.asker, plea.subject))
            actor = likely[who % len(likely)] if who % 4 else self.person(who)
            self.agrees(id, actor, self.key(actor, n))

    def agrees(self, id: str, actor: str, key: str) -> None:
        case, plea = self.cases[id], self.pleas[id]
        allowed = (
            not plea.over
            and plea.agreed is None
            and self.now < plea.proved + DAY
            and actor in allies_of(plea.asker, plea.subject)
            and self.free(plea.asker, plea.subject)
            and self.speaks(actor, key)
            and plea.misses.get(actor, 0) < LIMITS[Wrong.PASSKEY]
        )
        if plea.waits:  # then it would be a way to hurry
            self.hurries(id, actor, key)
        elif self.tried("agreeing", case, lambda: self.says_yes(case, actor, key), allowed=allowed):
            plea.agreed, plea.agreed_at = actor, self.now
            plea.ends = quiet_until(self.now)
            assert case.it.due_at == plea.ends
            told = {person for effect in case.owed if isinstance(effect, Tell) for person in effect.people}
            assert {plea.subject, plea.asker, actor} <= told
            assert Announce("security", "objections_invited", plea.subject) in case.owed

    def says_yes(self, case: Case, actor: str, key: str) -> None:
        self.submit(case, Approve(actor, self.put(case, actor, key)), actor)

    # -- by others: the wait -------------------------------------------------------------------

    def carried(self, plea: Plea) -> bool:
        """Whether what was proved and agreed still stands: everybody is free, and it isn't too long ago."""
        return self.free(*plea.spoken_for, plea.subject) and self.now < plea.proved + 5 * DAY

    @rule(n=Number, c=Number, who=Number)
    def security_hurries_it(self, n: int, c: int, who: int) -> None:
        """Mostly they; now and then somebody who already acted, or the subject."""
        if (id := self.plea(c)) is not None and self.pleas[id].ends is not None:
            actor = SECURITY if who % 4 else self.person(who)
            self.hurries(id, actor, self.key(actor, n))

    def hurries(self, id: str, actor: str, key: str) -> None:
        case, plea = self.cases[id], self.pleas[id]
        allowed = (
            plea.waits
            and plea.ends is not None
            and self.now < plea.ends
            and plea.subject not in GUARDED
            and actor == SECURITY
            and actor not in plea.spoken_for
            and self.speaks(actor, key)
            and self.carried(plea)
            and plea.misses.get(actor, 0) < LIMITS[Wrong.PASSKEY]
        )
        if self.tried("hurrying", case, lambda: self.says_yes(case, actor, key), allowed=allowed):
            plea.hurried = plea.ordered = True

    @rule(c=Number, who=Number)
    def somebody_objects(self, c: int, who: int) -> None:
        """Rarely, or nothing would ever come about."""
        if (id := self.plea(c)) is not None and c % 3 == 0:
            self.objects(id, self.person(who))

    def objects(self, id: str, actor: str) -> None:
        """No proof, never too late before the order, whoever rests."""
        case, plea = self.cases[id], self.pleas[id]
        concerned = {plea.subject, BOSS[plea.subject], plea.agreed} | GUARDED
        allowed = plea.waits and actor in concerned
        act = lambda: self.submit(case, Object(actor), actor)  # noqa: E731
        if self.tried("objecting", case, act, allowed=allowed):
            plea.objected = plea.over = True

    @rule(
        c=Number,
        wait=st.sampled_from([*[timedelta(0)] * 2, *[DAY] * 3, HOUR, 5 * DAY]),
        exactly=st.booleans(),
    )
    def the_clock_looks_at_it(self, c: int, wait: timedelta, exactly: bool) -> None:
        """Mostly when the wait is just over, sometimes a minute earlier or much later."""
        if (id := self.plea(c)) is None:
            return
        ends = self.pleas[id].ends
        if ends is not None and wait == DAY:
            self.now = max(self.now, ends - (timedelta(0) if exactly else MINUTE))
        elif wait != DAY:
            self.now += wait
        self.ticks(id)

    def ticks(self, id: str) -> None:
        case, plea = self.cases[id], self.pleas[id]
        if plea.over or plea.done or plea.ordered:
            return
        self.submit(case, Tick(), plea.asker)
        if plea.ends is None:
            plea.over = self.now >= plea.proved + DAY
            assert (case.it.stage is Stage.EXPIRED) == plea.over
        elif self.now >= plea.ends:
            plea.ordered = self.carried(plea)
            plea.over = not plea.ordered
            self.seen["waited" if plea.ordered else "the wait was for nothing"] += 1
            assert case.it.stage is (Stage.AWAITING_FULFILMENT if plea.ordered else Stage.EXPIRED)
        else:
            assert case.it.stage is Stage.AWAITING_OBJECTION

    # -- by others: the change -----------------------------------------------------------------

    @rule(c=Number)
    def the_worker_looks_at_it(self, c: int) -> None:
        if (id := self.plea(c)) is not None:
            self.works(id)

    def works(self, id: str) -> None:
        """Ordered or not, the evidence is looked at; the change is made only where the history orders it."""
        case, plea = self.cases[id], self.pleas[id]
        waited = plea.ends is not None and self.now >= plea.ends
        allowed = plea.agreed is not None and (waited or plea.hurried) and self.carried(plea)
        if plea.hurried and not waited:
            allowed = allowed and self.free(SECURITY)
        agreed = self.tried("authority", case, lambda: self.authorised(case), allowed=allowed)
        assert case.to_be_done == plea.ordered
        if not (agreed and case.to_be_done) or plea.done:
            return
        subject, plea.done = plea.subject, True
        self.orders[id] = (plea.asker, plea.asker)
        made = Invitation(self.fresh("link"), subject, id, self.now + HOUR, False)
        open_ = [link for link in self.links.values() if link.person == subject]
        ever = bool(self.model.ever(subject))
        act = lambda: registering.re_enrol(self.registration(subject), open_, made, self.now)  # noqa: E731
        if self.agree("enrolling anew", True, act, subject):
            self.is_enrolled_anew(subject, made, first=not ever, stands_for=ever and plea.asker != subject)

    def is_enrolled_anew(self, person: str, made: Invitation, *, first: bool, stands_for: bool) -> None:
        for kept in self.model.ever(person):
            kept.gone = True
        for link in self.model.links.values():
            if link.person == person and link.used is None:
                link.until = min(link.until, self.now)
        self.model.links[made.id] = Link(person, first, made.expires_at, stands_for)

    @invariant()
    def nobody_is_enrolled_anew_without_the_manager_and_time_to_object(self) -> None:
        for id, plea in self.pleas.items():
            if any(link.request == id for link in self.links.values()):
                assert not plea.objected
                assert plea.agreed not in (None, plea.asker, plea.subject)
                assert BOSS[plea.subject] in plea.spoken_for
                assert plea.hurried or (plea.ends is not None and self.now >= plea.ends)

    @invariant()
    def codes_are_used_up_one_by_one(self) -> None:
        for person, codes in self.codes.items():
            assert {c.hash for c in codes.codes if c.used_at is None} == self.model.codes[person]
