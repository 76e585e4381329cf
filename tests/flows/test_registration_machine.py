"""Random lives of devices over the pure core, beside an onlooker who keeps an account of their own.

Links, sign-ons, codes, losses, recovery by others, objections and freezes, by right and wrong people: before each act
the onlooker says whether it may come about, and the core has to agree.
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from flows.model import Method, Playbook
from tests.flows.lives.onlooker import (
    ACCESS,
    ADD,
    CODE,
    CODES,
    DAY,
    DEMANDS,
    DISABLE,
    HOUR,
    ONE,
    PASSKEY,
    RECALL,
    RECALL_ONE,
    REMOVE,
    SECOND,
)
from tests.flows.lives.returns import ACCOUNT, APP, Returns
from tests.flows.stories import ENROLMENT, RESET


def test_no_sequence_binds_a_device_without_what_policy_demands() -> None:
    run_state_machine_as_test(Returns, settings=settings(max_examples=100, stateful_step_count=50))


# -- one life with everything in it -----------------------------------------------------------------


class Told(Returns):
    """A life that is told instead of drawn. What always holds is looked at after each chapter."""

    seen: ClassVar[Counter[str]] = Counter()

    def its(self, person: str, method: Method = PASSKEY) -> str:
        """The newest key of somebody's."""
        return [id for id, how in self.model.keys(person).items() if how is method][-1]

    def of(self, person: str) -> str:
        return [id for id, kept in self.model.devices.items() if kept.person == person][-1]

    def own(self, playbook: Playbook, person: str, method: Method = PASSKEY) -> str | None:
        return self.asks(playbook, person, person, self.its(person, method), ("nina", self.its("nina")))

    def by_nina(self, playbook: Playbook, subject: str, ally: str = "sam") -> str | None:
        return self.asks(playbook, "nina", subject, self.its("nina"), (ally, self.its(ally)))

    def holds(self) -> None:
        self.what_counts_is_what_was_bound_and_not_lost()
        self.a_link_binds_one_device_once()
        self.codes_are_used_up_one_by_one()
        self.nobody_is_enrolled_anew_without_the_manager_and_time_to_object()

    def plea_of(self, asker: str, subject: str) -> str:
        id = self.pleads(asker, subject, self.its(asker))
        assert id is not None
        return id

    def waiting(self, asker: str, subject: str, ally: str) -> str:
        """A plea that everybody agreed to, where others can object now."""
        id = self.plea_of(asker, subject)
        self.agrees(id, ally, self.its(ally))
        assert self.pleas[id].waits
        return id


FRIDAY = 4
MET = [
    *("a link", "joining", "opening", "binding passkey", "binding code", "revoking", "renaming"),
    "removing a passkey",
    *(f"recovered with {beside}" for beside in (APP, ACCOUNT)),
    *("signing in", *(f"{name} ordered" for name in DEMANDS)),
    *("HadADevice", "LinkTaken", "LinkExpired", "LinkUnknown", "NotRecovered", "UnknownDevice", "BadName"),
    *("UnknownPasskey", "LastOnDevice"),
    *("DeviceTooYoung", "ProofTooWeak", "SelfApproval", "NotAnApprover", "Frozen", "PersonRests"),
    *(
        "NotYoursToAsk",
        "NotYoursToProve",
        "a plea",
        "agreeing",
        "objecting",
        "hurrying",
        "waited",
        "authority",
    ),
    *("the wait was for nothing", "enrolling anew", "NotYoursToObject", "NotYoursToHurry"),
    *("NeverHurried", "ConsentLapsed", "NotAuthorised", "TooLate", "ChallengeFailed", "OutOfTurn"),
]


def test_everything_that_random_lives_may_meet_comes_about_in_this_one() -> None:
    """Random lives rarely meet some of it; the model and the core agree about all of it here, in every run."""
    Told.seen.clear()
    life = Told()
    life.a_company_at_work(6, True, 63)
    for tell in CHAPTERS:
        tell(life)
        life.holds()
    sooner = Told()
    sooner.a_company_at_work(2, True, 63)
    before_anybody_had_a_device(sooner)
    sooner.holds()
    never = [what for what in MET if not Told.seen[what]]
    assert not never, f"these never happened, so nothing was shown about them: {never}"


def links_and_who_asks_for_them(life: Told) -> None:
    """Vera's first link: who may not agree to it, the browser that is late, the link that is. Then one of Maya's."""
    for ally in ("nina", "eve"):
        life.invited(life.by_nina(ENROLMENT, "vera", ally), "vera", first=True, stands_for=False)
    life.invited(life.by_nina(ENROLMENT, "vera"), "vera", first=True, stands_for=False)
    link = list(life.links)[-1]
    life.opens(link, "browser 6")
    life.opens(link, "browser 7")
    life.now += HOUR
    life.binds(link, life.browsers["browser 6"], "vera", PASSKEY)
    life.joins("maya", "browser 6")
    life.asks(ADD, "eve", "maya", life.its("eve"), ("nina", ""))
    life.own(ADD, "maya", CODE)
    life.invited(life.own(ADD, "maya"), "maya", first=False, stands_for=False)
    second = list(life.links)[-1]
    life.opens(second, "browser 7")
    for method in (PASSKEY, CODE, CODE):
        life.binds(second, life.browsers["browser 7"], "maya", method)


def what_people_ask_for(life: Told) -> None:
    """Vera is new: others stand for her, then she isn't. Eve rests, and asks for nothing."""
    life.joins("vera", "browser 6")
    life.binds(list(life.links)[-1], life.browsers["browser 6"], "vera", PASSKEY)
    life.own(ACCESS, "vera")
    life.invited(life.by_nina(SECOND, "vera"), "vera", first=False, stands_for=True)
    vouched = list(life.links)[-1]
    life.opens(vouched, "browser 6")
    life.binds(vouched, life.browsers["browser 6"], "vera", PASSKEY)
    life.own(ACCESS, "vera")
    life.own(RESET, "vera")
    life.asks(RESET, "omar", "maya", life.its("omar"), ("nina", ""))
    life.by_nina(DISABLE, "eve")
    life.freezes("eve", life.now + DAY)
    life.own(RESET, "eve")
    life.by_nina(DISABLE, "eve")


def codes_and_losses(life: Told) -> None:
    """Maya's codes: once, and not alone. Then the device that she lost, and a recall of Eve's."""
    life.has_new_codes("maya", life.own(CODES, "maya"))
    code = min(life.model.codes["maya"])
    for beside in ("", APP, APP, ACCOUNT):
        life.recovers("maya", life.browsers["browser 5"], code, beside)
    life.opens(list(life.links)[-1], "browser 5")
    life.recovers("maya", life.browsers["browser 5"], min(life.model.codes["maya"]), ACCOUNT)
    lost = life.of("maya")
    life.revoked(life.own(REMOVE, "maya"), "maya", lost)
    life.signs_in("maya", "browser 5", min(life.model.devices[lost].keys))
    life.revoked(life.by_nina(RECALL, "eve"), "eve", life.of("eve"))


def a_passkey_goes_alone(life: Told) -> None:
    """Vera has two on her device. One is recalled, once; the other is the last on it, and stays."""
    gone, last = [id for id, how in life.model.keys("vera").items() if how is PASSKEY]
    life.removed(life.by_nina(RECALL_ONE, "vera"), "vera", gone)
    life.signs_in("vera", "browser 6", gone)
    for key in (gone, last, life.its("omar")):
        life.removed(life.own(ONE, "vera"), "vera", key)


def names_and_cookies(life: Told) -> None:
    """A name, a bad one, one for somebody else's device; a browser whose cookie is new."""
    life.renames("omar", life.of("omar"), "Phone")
    life.renames("omar", life.of("omar"), " ")
    life.renames("omar", life.of("sam"), "Phone")
    life.signs_in("omar", "browser 4", life.its("omar"))


def others_speak_for_somebody(life: Told) -> None:
    """Maya lost everything, says Ravi: Omar has to agree, and Maya objects. Next time security buys the wait."""
    life.pleads("eve", "maya", life.its("maya"))
    id = life.plea_of("ravi", "maya")
    life.objects(id, "maya")
    life.agrees(id, "sam", life.its("sam"))
    life.agrees(id, "omar", life.its("nina"))
    life.agrees(id, "omar", life.its("omar"))
    life.objects(id, "eve")
    life.objects(id, "maya")
    for act in (life.ticks, life.works):
        act(id)
    id = life.waiting("ravi", "maya", "omar")
    for hurrying in ("ravi", "vera"):
        life.freezes("omar", life.now + HOUR)
        life.hurries(id, hurrying, life.its(hurrying))
        life.works(id)
        life.freezes("omar", life.now)
    life.hurries(id, "vera", life.its("vera"))
    life.works(id)
    life.opens(list(life.links)[-1], "browser 3")
    life.binds(list(life.links)[-1], life.browsers["browser 3"], "maya", PASSKEY)


def time_passes_over_what_others_ask(life: Told) -> None:
    """Omar asks for Ravi on a Friday, and waits; Nina for Vera, for whom nothing is; nobody agrees about Omar."""
    while life.now.weekday() != FRIDAY:
        life.now += DAY
    life.now = life.now.replace(hour=16, minute=0)
    id = life.waiting("omar", "ravi", "nina")
    life.ticks(id)
    ends = life.pleas[id].ends
    assert ends is not None
    life.now = ends
    for act in (life.ticks, life.works, life.works):
        act(id)
    guarded = life.waiting("sam", "vera", "nina")
    life.hurries(guarded, "vera", life.its("vera"))
    life.now += 5 * DAY
    life.ticks(guarded)
    silent = life.plea_of("sam", "omar")
    life.now += DAY
    life.agrees(silent, "nina", life.its("nina"))
    life.ticks(silent)


def before_anybody_had_a_device(life: Told) -> None:
    """Only the first two have one. Others speak for Omar, too, and what he gets waits as a first one does."""
    id = life.waiting("nina", "omar", "sam")
    life.now = life.pleas[id].ends or life.now
    for act in (life.ticks, life.works):
        act(id)
    link = list(life.links)[-1]
    life.opens(link, "browser 3")
    life.binds(link, life.browsers["browser 3"], "omar", PASSKEY)
    assert life.model.new("omar", life.now)


CHAPTERS = (
    links_and_who_asks_for_them,
    what_people_ask_for,
    codes_and_losses,
    a_passkey_goes_alone,
    names_and_cookies,
    others_speak_for_somebody,
    time_passes_over_what_others_ask,
)
