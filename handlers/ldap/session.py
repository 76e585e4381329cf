"""LDAP (RFC 4511) as we use it: over TLS alone, in threads of its own, never for ever, on whichever server answers.

The only file that knows ldap3. Its calls block, its TLS checks nothing unless told to, and its filters are text: so
calls run in threads with time-outs, certificate and name are verified always, and whatever goes into a filter goes
through `equals`.
"""

from __future__ import annotations

import asyncio
import select
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import ldap3
from ldap3.core import exceptions as said
from ldap3.core.results import RESULT_REFERRAL
from ldap3.operation.search import compile_filter, parse_filter
from ldap3.utils.asn1 import encode
from ldap3.utils.conv import escape_bytes, escape_filter_chars

from handlers.ldap.config import LdapDirectory
from handlers.ldap.names import parted
from handlers.ports import MissingRight, NoAccount, PolicyRefused, Rejected, Unreachable

T = TypeVar("T")

AT_ONCE = 8  # calls under way
IDLE = 30.0  # seconds after which a waiting connection isn't trusted any more
LONGEST_PAUSE = 60.0  # seconds in which a server that failed isn't asked
ASSERTION = "1.3.6.1.1.12"  # the control of RFC 4528
PAGE = 500  # entries fetched at a time

#: Attribute → its new values; none leaves it out. `add` and `delete` change single values.
Changes = Mapping[str, Sequence[tuple[str, Sequence[bytes]]]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its name, and its values by attribute in small letters."""

    dn: str
    values: Mapping[str, Sequence[bytes]]

    def all(self, name: str) -> list[str]:
        """Every value of an attribute, as text."""
        return [value.decode("utf-8", "replace") for value in self.values.get(name.lower(), ())]

    def one(self, name: str) -> str:
        """The first value, or empty."""
        return next(iter(self.all(name)), "")


class Overtaken(Rejected):
    """The entry isn't as it was read any more: nothing was changed, and it has to be looked at again."""


class Verified(ldap3.Tls):  # type: ignore[misc]  # ldap3 has no types
    """TLS as Python itself checks it: the chain, and that the certificate is this server's."""

    def __init__(self, ca_file: Path | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:
        """Called by ldap3 for ldaps and for StartTLS. Raises ssl.SSLError, and leaves no socket behind."""
        bare = connection.socket
        try:
            connection.socket = self._context.wrap_socket(
                bare, do_handshake_on_connect=do_handshake, server_hostname=connection.server.host
            )
        except OSError:
            bare.close()
            raise


@dataclass(slots=True)
class _Server:
    """One server, its waiting connections, and until when it isn't asked."""

    host: str
    port: int
    start_tls: bool
    first_pause: float
    idle: list[tuple[float, ldap3.Connection]] = field(default_factory=list)
    pause: float = 0.0
    until: float = 0.0

    def failed(self, connection: ldap3.Connection | None = None) -> None:
        """Leave it alone for a while, and what was open to it isn't believed any more."""
        self.pause = min(max(self.pause * 2, self.first_pause), LONGEST_PAUSE)
        self.until = time.monotonic() + self.pause
        waiting, self.idle = self.idle, []
        for each in (*(kept for _, kept in waiting), connection):
            _hang_up(each)

    def answered(self) -> None:
        self.pause = self.until = 0.0


#: Answers that say: not by us, or not here at all.
_REFUSED = (
    said.LDAPInsufficientAccessRightsResult,
    said.LDAPNoSuchObjectResult,
    said.LDAPUndefinedAttributeTypeResult,
    said.LDAPInvalidAttributeSyntaxResult,
)

_OVERTAKEN = (
    said.LDAPAssertionFailedResult,
    said.LDAPAttributeOrValueExistsResult,
    said.LDAPNoSuchAttributeResult,
)
#: Answers that say: nothing was done, and it won't be (RFC 4511 §4.1.9). After others, such as `other`, nobody knows.
_IMPOSSIBLE = (
    said.LDAPAliasDereferencingProblemResult,
    said.LDAPAliasProblemResult,
    said.LDAPConfidentialityRequiredResult,
    said.LDAPEntryAlreadyExistsResult,
    said.LDAPInappropriateMatchingResult,
    said.LDAPInvalidAttributeSyntaxResult,
    said.LDAPInvalidDNSyntaxResult,
    said.LDAPNamingViolationResult,
    said.LDAPNotAllowedOnNotLeafResult,
    said.LDAPNotAllowedOnRDNResult,
    said.LDAPObjectClassModsProhibitedResult,
    said.LDAPObjectClassViolationResult,
    said.LDAPStrongerAuthRequiredResult,
    said.LDAPUnavailableCriticalExtensionResult,
    said.LDAPUndefinedAttributeTypeResult,
)


class Ldap:
    """A directory's servers, as one service account sees them."""

    def __init__(self, given: LdapDirectory) -> None:
        self._given = given
        self._tls = Verified(given.ca_file)
        self._servers = [_server(url, given.pause) for url in given.servers]
        self._closed = False
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ldap")

    async def close(self) -> None:
        """Hang up. What is under way ends with its time-out."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._hang_up_idle()

    async def search(
        self, base: str, filter: str, attributes: Sequence[str], *, below: bool = True, most: int = 0
    ) -> list[Entry]:
        """Entries below a name, or it alone; the first `most` if that is given.

        An unknown name alone is no entry; nothing can be looked for below one. Raises Unreachable or MissingRight.
        """

        def look(connection: ldap3.Connection) -> list[Entry]:
            found = connection.extend.standard.paged_search(
                base,
                filter,
                search_scope=ldap3.SUBTREE if below else ldap3.BASE,
                attributes=list(attributes),
                paged_size=min(most or PAGE, PAGE),
                generator=True,
            )
            entries = (_entry(each) for each in found if each["type"] == "searchResEntry")
            return list(islice(entries, most or None))

        try:
            return await self._run(look, reads=True)
        except NoAccount:
            if below:  # nobody may be thought gone because of it
                raise Unreachable(f"There is no {base} in the directory, or we can't read it.") from None
            return []
        except said.LDAPException as error:
            raise Unreachable(f"The directory doesn't answer ({_short(error)}).") from None

    @property
    def hosts(self) -> list[str]:
        """The servers, in order, as `host:port`."""
        return [f"{each.host}:{each.port}" for each in self._servers]

    async def visit(self, host: str) -> datetime:
        """Sign in at one server, whatever it did lately; gives its certificate's end. Raises Unreachable."""

        def sign_in() -> datetime:
            server = self._servers[self.hosts.index(host)]
            connection, given = None, self._given
            try:
                connection = self._connected(server, given.bind_as, given.password.get_secret_value())
                ends = str(connection.socket.getpeercert()["notAfter"])
            except said.LDAPException as error:
                raise Unreachable(f"It doesn't take our sign-in ({_short(error)}).") from None
            finally:
                _hang_up(connection)
            return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC)

        return await asyncio.get_running_loop().run_in_executor(self._threads, sign_in)

    async def modify(self, dn: str, changes: Changes, only_if: str = "") -> None:
        """Change one entry, all of it or nothing. `only_if`: a filter that it has to match then (RFC 4528).

        A server that can't look at that itself does without.

        Raises Rejected or one of its kinds, Unreachable when nothing was sent, and anything else when it may have
        happened.
        """
        if await self._run(lambda connection: _modified(connection, dn, changes, only_if)) == RESULT_REFERRAL:
            raise Rejected("The entry is kept by another server. Name the servers that hold it.")

    async def refuses(self, dn: str, never: Changes) -> str:
        """Why we may not make a change; empty when we may. `never` is one that can't be made by anybody.

        Raises Unreachable.
        """

        def ask(connection: ldap3.Connection) -> str:
            try:
                _modified(connection, dn, never)
            except _REFUSED as error:
                return _short(error)
            except (said.LDAPBusyResult, said.LDAPUnavailableResult):
                raise
            except said.LDAPOperationResult:
                return ""
            return ""

        return await self._answered(ask)

    async def may_move(self, dn: str) -> bool:
        """Whether we may take an entry away: asked by moving it to where nothing is. Raises Unreachable."""
        first, above = parted(dn)

        def ask(connection: ldap3.Connection) -> bool:
            try:
                connection.modify_dn(dn, first, new_superior=f"cn={uuid4()},{above}")
            except said.LDAPNoSuchObjectResult:
                return True
            except said.LDAPOperationResult:
                return False
            return False

        return await self._answered(ask)

    async def _answered(self, ask: Callable[[ldap3.Connection], T]) -> T:
        try:
            return await self._run(ask, reads=True)
        except said.LDAPException as error:
            raise Unreachable(f"The directory doesn't answer ({_short(error)}).") from None

    async def find(self, dn: str, filter: str) -> Entry | None:
        """The entry of this name, if it matches. Raises Unreachable or MissingRight."""
        found = await self.search(dn, filter, ["cn"], below=False)
        return found[0] if found else None

    async def accepts(self, name: str, password: str) -> tuple[bool, str]:
        """Whether somebody may sign in with this password, and what the server says of it. Raises Unreachable.

        A wrong password counts as a failure there: ask only when it is likely to be right.
        """

        def try_it() -> tuple[bool, str]:
            failures: list[said.LDAPException] = []
            for server in self._asked():
                connection = None
                try:
                    connection = self._connected(server, name, password, bind=False)
                    good = bool(connection.bind())
                    return good, str((connection.result or {}).get("message") or "")
                except (said.LDAPBusyResult, said.LDAPUnavailableResult) as error:
                    failures.append(error)
                except said.LDAPOperationResult as error:
                    return False, str(error.message or error.description or "")
                except said.LDAPException as error:
                    failures.append(error)
                finally:
                    _hang_up(connection)
            raise Unreachable(f"The directory doesn't answer ({_short(failures[-1])}).")

        return await asyncio.get_running_loop().run_in_executor(self._threads, try_it)

    # -- inside, in a thread ----------------------------------------------------------------------

    async def _run(self, work: Callable[[ldap3.Connection], T], *, reads: bool = False) -> T:
        """Have it done by the first server that can. `reads`: it changes nothing, so that it may be begun again."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._tried, work, reads)

    def _tried(self, work: Callable[[ldap3.Connection], T], reads: bool) -> T:
        failures: list[Unreachable] = []
        for server in self._asked():
            try:
                return self._done(server, work, reads)
            except Unreachable as failure:  # nothing was done there
                failures.append(failure)
        raise failures[-1]

    def _done(self, server: _Server, work: Callable[[ldap3.Connection], T], reads: bool) -> T:
        connection = self._ready(server)
        with _told():
            try:
                done = work(connection)
            except said.LDAPOperationResult:  # a no: the connection is as good as before
                self._keep(server, connection)
                raise
            except said.LDAPException as error:
                server.failed(connection)
                # What was sent in part was never read as a whole.
                if reads or isinstance(error, said.LDAPSocketSendError):
                    raise Unreachable(f"The directory doesn't answer ({_short(error)}).") from None
                raise
            except BaseException:
                server.failed(connection)
                raise
        self._keep(server, connection)
        return done

    def _keep(self, server: _Server, connection: ldap3.Connection) -> None:
        """Until the next one needs it; nobody does after `close`, which doesn't wait for what is under way."""
        server.idle.append((time.monotonic(), connection))
        if self._closed:
            self._hang_up_idle()

    def _hang_up_idle(self) -> None:
        for server in self._servers:
            while server.idle:
                with suppress(IndexError):  # another thread was faster
                    _hang_up(server.idle.pop()[1])

    def _asked(self) -> list[_Server]:
        """The servers to ask, in order: those that failed lately are left alone for a while."""
        now = time.monotonic()
        ready = [server for server in self._servers if server.until <= now]
        if not ready:
            raise Unreachable("The directory didn't answer a moment ago, so it isn't asked yet.")
        return ready

    def _ready(self, server: _Server) -> ldap3.Connection:
        """A connection on which the service account is signed in. Raises Unreachable."""
        while server.idle:
            since, connection = server.idle.pop()
            if time.monotonic() - since < IDLE and _quiet(connection):
                return connection
            _hang_up(connection)
        given = self._given
        try:
            made = self._connected(server, given.bind_as, given.password.get_secret_value())
        except said.LDAPInvalidCredentialsResult:
            server.failed()
            raise Unreachable(
                "The directory refuses the service account: check its name and password."
            ) from None
        except said.LDAPException as error:
            server.failed()
            raise Unreachable(f"{server.host} can't be reached ({_short(error)}).") from None
        server.answered()
        return made

    def _made(self, server: _Server) -> ldap3.Server:
        """The server as ldap3 knows it: made anew each time, for it remembers for long what didn't answer once."""
        return ldap3.Server(
            server.host,
            port=server.port,
            use_ssl=not server.start_tls,
            tls=self._tls,
            get_info=ldap3.NONE,
            connect_timeout=self._given.connect_within,
        )

    def _connected(self, server: _Server, name: str, password: str, *, bind: bool = True) -> ldap3.Connection:
        connection = ldap3.Connection(
            self._made(server),
            name,
            password.encode(),  # of a text ldap3 would make another one (SASLprep), which isn't what was set
            raise_exceptions=True,
            receive_timeout=self._given.answer_within,
            auto_referrals=False,
            check_names=False,
        )
        try:
            connection.open()
            if server.start_tls:
                connection.start_tls()
            if bind:
                connection.bind()
        except BaseException:
            _hang_up(connection)
            raise
        return connection


# -- what goes into a filter ------------------------------------------------------------------------------


def equals(attribute: str, value: str | bytes) -> str:
    """A filter for one value (RFC 4515), in which nothing of the value is read as a filter.

    No text has a NUL in it: there a directory in C would stop reading, and find somebody else.
    """
    if isinstance(value, str) and "\0" in value:
        return "(!(objectClass=*))"
    written = escape_bytes(value) if isinstance(value, bytes) else escape_filter_chars(value)
    return f"({attribute}={written})"


def every(*filters: str) -> str:
    """A filter that takes what all of these take."""
    return f"(&{''.join(filters)})"


def some(*filters: str) -> str:
    """A filter that takes what any of these takes; empty, for nothing, without any."""
    return f"(|{''.join(filters)})" if filters else ""


def replaced(**values: Sequence[bytes]) -> Changes:
    """Attributes with new values, or without any."""
    return {name: [(ldap3.MODIFY_REPLACE, each)] for name, each in values.items()}


def added(attribute: str, value: str) -> Changes:
    """One value more."""
    return {attribute: [(ldap3.MODIFY_ADD, [value.encode()])]}


def removed(attribute: str, value: str) -> Changes:
    """One value less."""
    return {attribute: [(ldap3.MODIFY_DELETE, [value.encode()])]}


def swapped(attribute: str, before: str, after: str) -> Changes:
    """One value in the place of another, if that is still there."""
    return {attribute: [(ldap3.MODIFY_DELETE, [before.encode()]), (ldap3.MODIFY_ADD, [after.encode()])]}


# -- small ------------------------------------------------------------------------------------------------


def _server(url: str, pause: float) -> _Server:
    parts = urlsplit(url)
    secure = parts.scheme == "ldaps"
    return _Server(str(parts.hostname), parts.port or (636 if secure else 389), not secure, pause)


def _modified(connection: ldap3.Connection, dn: str, changes: Changes, only_if: str = "") -> int:
    """The result's number: ldap3 raises every no but the one that leads elsewhere."""
    asked = {name: [(kind, list(values)) for kind, values in each] for name, each in changes.items()}
    controls = None
    if only_if:
        parsed = parse_filter(only_if, None, True, False, None, False)
        controls = [(ASSERTION, False, encode(compile_filter(parsed.elements[0])))]
    connection.modify(dn, asked, controls)
    return int(connection.result["result"])


def _hang_up(connection: ldap3.Connection | None) -> None:
    if connection is not None:
        with suppress(said.LDAPException, OSError):
            connection.unbind()
        if connection.socket is not None:  # where there was nothing to say goodbye to
            connection.socket.close()


def _quiet(connection: ldap3.Connection) -> bool:
    """Whether nothing came in that nobody asked for: a goodbye, or the end of the line."""
    if connection.closed or connection.socket is None:
        return False
    waiting = select.poll()
    waiting.register(connection.socket, select.POLLIN)
    return not waiting.poll(0)


def _entry(found: Mapping[str, Any]) -> Entry:
    values = {name.lower(): tuple(each) for name, each in found["raw_attributes"].items() if each}
    return Entry(found["dn"], values)


@contextmanager
def _told() -> Iterator[None]:
    """A server's no in our own words. What may have happened all the same goes on as it is."""
    try:
        yield
    except said.LDAPInsufficientAccessRightsResult as error:
        raise MissingRight(f"The service account may not do that ({_short(error)}).") from None
    except said.LDAPNoSuchObjectResult:
        raise NoAccount("There is no such entry in the directory.") from None
    except _OVERTAKEN as error:
        raise Overtaken(f"Somebody else changed the entry at the same moment ({_short(error)}).") from None
    except (said.LDAPConstraintViolationResult, said.LDAPUnwillingToPerformResult) as error:
        raise PolicyRefused(f"The directory's policy refuses that ({_short(error)}).") from None
    except _IMPOSSIBLE as error:
        raise Rejected(
            f"The directory can't do that, whoever asks ({_short(error)}). Look at its log and at its schema."
        ) from None
    except (said.LDAPBusyResult, said.LDAPUnavailableResult) as error:
        raise Unreachable(f"The directory is busy ({_short(error)}).") from None


def _short(error: said.LDAPException) -> str:
    """What went wrong, in one line: what an operator looks up."""
    told = getattr(error, "message", "") or getattr(error, "description", "") or error
    text = " ".join(str(told).split())
    return text[:200] or type(error).__name__
