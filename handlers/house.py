"""The house, put together: everything that serves one installation, from its settings and its ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

import flows.errors as no
from flows.model import Method, Person
from flows.registration import Authenticator
from handlers import signatures
from handlers.accounts import Accounts
from handlers.clock import Clock
from handlers.conversations import Conversations
from handlers.desk import Desk
from handlers.people import Given, People, Recent, Schedule
from handlers.playbooks import Playbooks, load
from handlers.ports import Connector, Directory, Messenger, Verifier
from handlers.recovery import Recovery, RecoveryCodes
from handlers.registry import DeviceRegistry
from handlers.settings import Config, Settings
from handlers.standings import Standings
from handlers.subscriptions import Subscriptions
from handlers.verifiers.code import CodeVerifier
from handlers.verifiers.passkey import PasskeyVerifier
from handlers.worker import Worker
from storage import setup
from storage.seals import Keys
from storage.store import Clock as Time
from storage.store import Store, utc_now


@dataclass(frozen=True, slots=True)
class House:
    """One running installation. `people` are for reading, and may be a minute old; the desk asks anew."""

    settings: Settings
    store: Store
    people: People
    playbooks: Playbooks
    registry: DeviceRegistry
    accounts: Accounts
    conversations: Conversations
    subscriptions: Subscriptions
    passkeys: PasskeyVerifier
    codes: CodeVerifier
    recovery: Recovery
    desk: Desk
    worker: Worker
    clock: Clock
    recent: Recent | None

    async def reaches(self, person: str) -> bool:
        """Whether this person can be written to in a chat: where they are in Slack, or have the app in Teams."""
        for account in await self.accounts.of(person):
            if account.platform != "teams" or await self.conversations.of(account):
                return True
        return False

    async def close(self) -> None:
        """Finish what is being committed, and close the database."""
        await self.store.close()


@dataclass(frozen=True, slots=True)
class Outside:
    """What the house needs from the outside, each behind its port."""

    directory: Directory
    connectors: Mapping[str, Connector]
    messenger: Messenger
    recent: bool = False  # whether what people read may be a minute old, which spares a directory
    schedules: Mapping[str, Schedule] = field(default_factory=dict)  # who is on call


async def build(
    settings: Settings, config: Config, outside: Outside, own: type, kind: str, time: Time = utc_now
) -> House:
    """Prepare the database and put everything together. Raises NotReady, PlaybookError, NotSigned or a driver's
    error.

    `own` makes our own connector, from the registry of devices, whose chat account is whose, who is frozen, and
    people's recovery codes.
    """
    keys = Keys(settings.secret_key)
    await setup.prepare(settings.database_url, keys, kind, time())
    store = await Store.open(settings.database_url, keys, clock=time)
    try:
        await setup.examine(store, kind)
        registry, accounts = DeviceRegistry(store), Accounts(store)
        standings = Standings(store, timedelta(hours=settings.freeze_hours))
        ours = own(registry, accounts, standings, RecoveryCodes(store))
        connectors: dict[str, Connector] = {**outside.connectors, "countersign": ours}
        verbs = {name: connector.verbs for name, connector in connectors.items()}
        playbooks = load(settings.playbooks, connectors=verbs, schedules=outside.schedules)
        signatures.verify(settings, playbooks, signatures.rules_of(settings.playbooks))
        await setup.keep_playbooks(store, [_kept(playbooks, hash) for hash in playbooks.contents])
        return _assemble(settings, config, outside, registry, accounts, connectors, playbooks, standings)
    except BaseException:
        await store.close()
        raise


def _assemble(
    settings: Settings,
    config: Config,
    outside: Outside,
    registry: DeviceRegistry,
    accounts: Accounts,
    connectors: Mapping[str, Connector],
    playbooks: Playbooks,
    standings: Standings,
) -> House:
    store = standings.store
    given = Given(config.roles, config.owners, outside.schedules)
    people = People(outside.directory, given)
    recent = Recent(outside.directory, monotonic) if outside.recent else None
    read = People(recent, given) if recent else people
    passkeys, codes = verifiers(settings, store.keys)
    by_method: dict[Method, Verifier] = {Method.PASSKEY: passkeys, Method.CODE: codes}
    desk = Desk(store, playbooks, people, registry, accounts, by_method, standings=standings)
    worker = Worker(desk, connectors, by_method, outside.messenger)
    desk.committed = worker.changed
    return House(
        settings,
        store,
        read,
        playbooks,
        registry,
        accounts,
        Conversations(store),
        Subscriptions(store, registry),
        passkeys,
        codes,
        Recovery(store, people, registry, codes),
        desk,
        worker,
        Clock(desk, worker),
        recent,
    )


def _kept(playbooks: Playbooks, hash: str) -> dict[str, object]:
    found = playbooks.by_hash[hash]
    return {"hash": hash, "name": found.name, "version": found.version, "content": playbooks.contents[hash]}


def verifiers(settings: Settings, keys: Keys) -> tuple[PasskeyVerifier, CodeVerifier]:
    """The two methods of proof, bound to this installation's address and keys."""

    def open_seed(authenticator: Authenticator) -> bytes:
        return keys.open(authenticator.material, seed_binding(authenticator.person))

    passkeys = PasskeyVerifier(settings.rp_id, "Countersign", settings.public_url)
    return passkeys, CodeVerifier(keys.number, open_seed)


def seed_binding(person: str) -> str:
    """What a sign-in app's sealed seed is bound to: it can't be moved to another person."""
    return f"seed:{person}"


async def first_links(house: House, first: str, second: str) -> list[tuple[Person, str]]:
    """Enrolment tokens for the first administrator and a second one, until both have had a device.

    Two, because from then on every link is issued by one person and confirmed by another's passkey. Links that
    expired unused can be made anew; somebody who has a device gets none.
    """
    if first == second:
        raise no.NotInitial("Name two different people.")
    if await house.registry.begun():
        raise no.NotInitial
    people = []
    for id in (first, second):
        person = await house.people.person(id)
        if person is None:
            raise no.UnknownPerson(f"It is {id!r}.")
        if not person.active:
            raise no.InactivePerson(f"It is {person.name}.")
        if "administrator" not in person.roles:
            raise no.NotAnAdministrator(f"It is {person.name}.")
        people.append(person)
    waiting = [p for p in people if not (await house.registry.registration(p.id)).devices]
    return [(person, await house.registry.first_link(person.id)) for person in waiting]
