"""A request with its reader: names, times and rights as they look from where that reader stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.cards import Fact, Moment
from bot.texts import clean
from bot.times import moment
from flows.consent import consenting, hurriers, open_groups
from flows.digest import JUSTIFICATION
from flows.model import Method, Person, Playbook, Request, SecretKind, Stage
from flows.objections import may_object, never_hurried
from flows.quorum import filled

PLACES = {"slack": "Slack", "teams": "Teams", "terminal": "the command line"}
_SECRETS = {
    SecretKind.NONE: "result",
    SecretKind.TEMPORARY_PASSWORD: "temporary password",
    SecretKind.ENROLMENT_LINK: "enrolment link",
    SecretKind.RECOVERY_CODES: "set of recovery codes",
    SecretKind.ENROLMENT_PASS: "pass for new second factors",
    SecretKind.CHOSEN_PASSWORD: "new password",
}


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a request in other rows. Whatever the caller leaves out isn't shown.

    `texts` are the free-text answers that still exist, by field name; `methods` what the reader has
    registered; `device` the one they read this on; `selected` whom the playbook's selectors name, as
    the directory says now; `number` the six digits, given only for the place where the request was
    asked; `labels` what people call the ids that a form's references hold, such as a device's name; `unreached` are
    those with the next move to whom no chat can tell it; `rules` the names of those that fired when it was asked, and
    `raised` the sentences of those that raised its tier.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    methods: frozenset[Method] | None = None
    device: str | None = None
    selected: Mapping[str, frozenset[str]] = field(default_factory=dict)
    number: str = ""
    rules: Sequence[str] = ()
    raised: Sequence[str] = ()
    audit: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    unreached: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reading:
    """One request before one reader. `viewer` is a person's id, or empty for a room."""

    request: Request
    playbook: Playbook
    people: Mapping[str, Person]
    viewer: str
    now: datetime
    beside: Beside = field(default_factory=Beside)

    # -- names ------------------------------------------------------------------------------

    def name(self, id: str) -> str:
        """A person's whole name."""
        person = self.people.get(id)
        return plain(person.name) if person else "somebody who isn't in the directory"

    def short(self, id: str) -> str:
        """The first word of a name; all of it when somebody else here shares that word."""
        full = self.name(id)
        if id not in self.people:
            return full
        first = full.split(" ")[0]
        alike = [p for p in self.people.values() if plain(p.name).split(" ")[0] == first]
        return first if len(alike) == 1 else full

    def who(self, id: str) -> str:
        """`you`, or a short name."""
        return "you" if id == self.viewer else self.short(id)

    @property
    def role(self) -> str:
        """Who a case is handed to: `a desk agent`, `security`."""
        words = self.playbook.handed_to.replace("_", " ")
        if words.endswith("s") or words == "security":
            return words
        return f"an {words}" if words[:1] in "aeiou" else f"a {words}"

    # -- what it is -------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """`Password reset for Maya Lindqvist`."""
        return f"{self.playbook.title} for {self.name(self.request.subject)}"

    @property
    def what(self) -> str:
        """The playbook's title inside a sentence: `password reset`, but `VPN access`."""
        title = self.playbook.title
        return title if title[1:2].isupper() else title[:1].lower() + title[1:]

    @property
    def phrase(self) -> str:
        """What would be done: `Reset the password of Maya Lindqvist`."""
        words = self.playbook.phrase.replace("{subject}", self.name(self.request.subject))
        for name, value in self.request.parameters.items():
            words = words.replace("{" + name + "}", self.label(value))
        return words

    @property
    def secret(self) -> str:
        """What is handed over at the end, by its name."""
        return _SECRETS[self.playbook.secret]

    @property
    def why(self) -> str:
        """The justification in the asker's words, or a dash."""
        return plain(self.beside.texts.get(JUSTIFICATION, "")) or "—"

    def asked_by(self) -> str:
        """Who asked and where. A chat account can be stolen, so it is never called `you`."""
        origin = self.request.origin
        place = PLACES.get(origin.platform) or plain(origin.channel) or "the device page"
        chat = place in ("Slack", "Teams")
        if origin.platform == "terminal":  # the account is the kernel's word; a name given there is a claim
            place = f"{place} ({plain(origin.account)} on {plain(origin.workspace)})"
        if self.request.requester == self.viewer:
            return f"Your {place} account" if chat else f"You, on {place}"
        return f"{self.name(self.request.requester)}, {'in' if chat else 'on'} {place}"

    def parameters(self) -> list[Fact]:
        """The filled form, without the justification."""
        texts = {name: text for name, text in self.beside.texts.items() if name != JUSTIFICATION}
        known = {**self.request.parameters, **texts}
        return [Fact(f.label, self.label(known[f.name])) for f in self.playbook.fields if known.get(f.name)]

    def label(self, value: str) -> str:
        """An answer as people call it."""
        return plain(self.beside.labels.get(value, value))

    def when(self, at: datetime) -> Moment:
        """A time in the reader's zone. A room has none, so there the zone is always named."""
        reader = self.people.get(self.viewer)
        parties = (self.request.requester, self.request.subject, self.request.prover)
        zones = [self.people[party].timezone for party in parties if party in self.people]
        return moment(at, self.now, reader.timezone if reader else "", zones)

    # -- rights: what to offer; the desk decides again ----------------------------------------

    @property
    def settles(self) -> bool:
        """True when the reader holds the role that was handed the case and isn't part of it."""
        person = self.people.get(self.viewer)
        party = self.viewer in (self.request.requester, self.request.subject)
        return person is not None and person.active and self.playbook.handed_to in person.roles and not party

    @property
    def here(self) -> bool:
        """True when this is read on the very device that the proof was given on."""
        proof = self.request.verification
        return proof is not None and proof.device == self.beside.device

    @property
    def elsewhere(self) -> bool:
        """True when the proof was given on another device than the one this is read on."""
        proof, device = self.request.verification, self.beside.device
        return proof is not None and device is not None and proof.device != device

    @property
    def approvers(self) -> list[str]:
        """Who can still consent to what is asked now, by name."""
        subject = self.people.get(self.request.subject)
        manager = subject.manager if subject else None
        return sorted(consenting(self.request, self.playbook, self.beside.selected, manager), key=self.name)

    @property
    def objects(self) -> bool:
        """True when the reader can stop what goes on by itself. Whoever asked for it can just cancel it."""
        request, person = self.request, self.people.get(self.viewer)
        if request.stage is not Stage.AWAITING_OBJECTION or person is None or not person.active:
            return False
        if self.viewer == request.requester:
            return False
        return may_object(request, self.people.get(request.subject), person)

    @property
    def hurries(self) -> bool:
        """True when the reader can shorten the wait: one more person, who hasn't acted before."""
        request, subject = self.request, self.people.get(self.request.subject)
        acted = {request.requester, request.subject, request.prover, *(a.person for a in request.approvals)}
        open_ = request.stage is Stage.AWAITING_OBJECTION
        able = subject is not None and not never_hurried(subject)
        return open_ and able and self.viewer in hurriers(self.playbook, self.beside.selected) - acted

    @property
    def missing(self) -> int:
        """How many consents are still missing to what is asked now."""
        step, steps = self.request.step, self.playbook.consent
        given = {a.person for a in self.request.approvals if a.step == step}
        return max(0, steps[step].places - len(given)) if step < len(steps) else 0

    @property
    def later(self) -> int:
        """How many people are asked after them."""
        return sum(step.places for step in self.playbook.consent[self.request.step + 1 :])

    def consenting(self) -> str:
        """Whose consent is missing: `you`, `Omar or Nina`, `2 of Omar, Nina and Ravi`, `1 of 7 people`; of several
        groups, `Omar, and Nina or Ravi`."""
        groups, may = open_groups(self.request, self.playbook, self.beside.selected), self.approvers
        agreed = {a.person for a in self.request.approvals if a.step == self.request.step}
        left = [
            (group.places - len(taken), [person for person in may if person in group.people])
            for group, taken in zip(groups, filled(groups, agreed), strict=True)
        ]
        parts = [self._some(places, people) for places, people in left if places and people]
        return ", and ".join(parts) or "somebody who can approve"

    def _some(self, places: int, people: Sequence[str]) -> str:
        names = sorted((self.who(person) for person in people), key=lambda name: name != "you")
        if len(names) > 3:
            return f"{places} of {len(names)} people" + (", you among them" if "you" in names else "")
        if places >= len(names):
            return listed(names, "and")
        return listed(names, "or") if places == 1 else f"{places} of {listed(names, 'and')}"


def plain(text: str) -> str:
    """People's own words made safe to show: one line, 500 characters, nothing invisible or reordering."""
    return " ".join(clean(text).split())[:500]


def listed(names: Sequence[str], last: str) -> str:
    """`Omar, Nina or Ravi`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def grouped(digits: str) -> str:
    """`482 913`: numbers to type stand in groups of three."""
    return " ".join(digits[i : i + 3] for i in range(0, len(digits), 3))
