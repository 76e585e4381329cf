"""Refusals: a "no" with a reason a person can read. A refusal is an answer, not an error.

The docstring of each kind is what the person reads: what happened, then what to do.
The class name is the stored reason in the audit log, so it is never renamed.
"""

from __future__ import annotations

import inspect


class Refusal(Exception):
    """That isn't possible. Nothing was changed."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def kind(self) -> str:
        """The stored name of this refusal, for the audit log."""
        return type(self).__name__

    @property
    def sentence(self) -> str:
        """What the person reads: the kind's sentence, then the particular detail if there is one."""
        words = inspect.cleandoc(type(self).__doc__ or "").replace("\n", " ")
        return f"{words} {self.detail}".strip()


# -- asking ---------------------------------------------------------------------------------


class UnknownPlaybook(Refusal):
    """There is no such request type. `python app.py policy list` lists what can be asked for."""


class UnknownPerson(Refusal):
    """We can't find that person in the directory. Check the spelling, or ask the desk to look them up."""


class UnknownGroup(Refusal):
    """Nobody who works here is in that group. Name a role that the directory or the configuration gives."""


class DirectoryAway(Refusal):
    """The company's directory doesn't answer, so nobody can be looked up. Nothing was changed. Try again soon."""


class InactivePerson(Refusal):
    """That account isn't active any more. Only someone who works here can ask or be helped."""


class NotYoursToAsk(Refusal):
    """You can't ask this for that person. They themself, their manager, the desk or an administrator may."""


class NotPermitted(Refusal):
    """The company's rules don't allow this, and nothing was changed. Ask the desk what else helps."""


class TooFewToAgree(Refusal):
    """The company's rules ask for more people to agree here than this request type names. Talk to the desk."""


class AskOnYourDevice(Refusal):
    """At a terminal people ask only for what they confirm themselves. Ask for others on your own device page."""


class WrongAnswer(Refusal):
    """An answer of the form needs a change. Correct it and send the form again."""

    def __init__(self, detail: str = "", field: str = "") -> None:
        super().__init__(detail)
        self.field = field


class UnfitPassword(WrongAnswer):
    """That password can't be used. Choose another one."""


class MissingAnswer(WrongAnswer):
    """A field of the form still needs an answer."""


class UnreadableAnswer(WrongAnswer):
    """A field of the form can't be used as it is."""


class NoRegisteredDevice(Refusal):
    """There is no registered device that could confirm this. Ask an administrator for an enrolment link."""


class StrongerProofNeeded(Refusal):
    """The registered devices can't give the proof this needs. Add a passkey on the device page first."""


class DeviceBoundNeeded(Refusal):
    """This takes a passkey that stays on one device, not a synced one. Add such a one, or a security key, first."""


class DeviceTooYoung(Refusal):
    """Your device is new: for three days it can't give access to anything new, nor act for others."""


class AlreadyOpen(Refusal):
    """The same request is already open. Follow that one, or cancel it before asking again."""


class NotForThem(Refusal):
    """That can't be started for this person just now. Check the name; if it is right, ask them to see the desk."""

    # What stands in the way is theirs alone: whoever asks for somebody else reads the same, whatever it is.

    def __init__(self, why: str = "NotForThem") -> None:
        super().__init__()
        self._why = why

    @property
    def kind(self) -> str:
        """What it really was, for the audit log."""
        return self._why


class Frozen(Refusal):
    """Everything in your name rests for now, because a request was reported as not yours. Talk to security."""


class PersonRests(Refusal):
    """Everything in that person's name rests for now. Security can let them go on."""


class AnotherWaits(Refusal):
    """Another request waits for your confirmation. Confirm or cancel that one first."""


class PromptedEnough(Refusal):
    """That was asked too often without being confirmed. Confirm on your device page, or wait ten minutes."""


class AskedEnough(Refusal):
    """You have asked a lot of other people within the last hour. Wait a while, then ask again."""


class CodesRest(Refusal):
    """There were too many wrong numbers or codes, so they don't count for now. Use a passkey, or talk to security."""


# -- proving --------------------------------------------------------------------------------


class NotYoursToProve(Refusal):
    """This request is for somebody else to confirm. Leave it to them, or tell the desk if it worries you."""


class NoChallenge(Refusal):
    """There is nothing to answer here any more. Start the confirmation again on your device page."""


class ChallengeExpired(Refusal):
    """That confirmation took too long. Start it again on your device page."""


class WrongChallenge(Refusal):
    """That answer belongs to another request. Open the right one on your device page and answer there."""


class ProofTooWeak(Refusal):
    """This request needs a stronger proof. Use a passkey on your registered device."""


class UsedAlready(Refusal):
    """That answer was used already. Wait for your sign-in app's next code, or use your passkey again."""


class TooManyWrongAnswers(Refusal):
    """There were too many wrong answers. Ask again, or talk to the desk."""


# -- consenting -----------------------------------------------------------------------------


class SelfApproval(Refusal):
    """You can't approve your own request. Someone else has to."""


class NotAnApprover(Refusal):
    """You aren't among the people who can approve this. Nothing was changed."""


class ApprovedAlready(Refusal):
    """You approved this already. It is waiting for somebody else now."""


class EnoughAgreed(Refusal):
    """Enough of those who can say this have agreed already. Nothing more is needed from you."""


class NotYoursToObject(Refusal):
    """Only whom it concerns, who agreed, and security can stop this. If it worries you, tell security at once."""


class NotYoursToHurry(Refusal):
    """You can't shorten this wait. One more person of the group named for that can, or it ends by itself."""


class NeverHurried(Refusal):
    """For this person the wait is never shortened, because their account can do a lot. It ends by itself."""


# -- time and turn --------------------------------------------------------------------------


class UnknownRequest(Refusal):
    """There is no such request. Check its name: it begins with CS- and has five characters."""


class AlreadyClosed(Refusal):
    """This request is over. If it is still needed, ask again."""


class OutOfTurn(Refusal):
    """That can't be done at this point of the request. Nothing was changed."""


class TooLate(Refusal):
    """The time for this request has run out. If it is still needed, ask again."""


class NotYoursToCancel(Refusal):
    """Only the people this request concerns can cancel it. Ask one of them, or the desk."""


class NotYoursToSettle(Refusal):
    """This case was handed to another role. Nothing was changed."""


class NotYoursToSee(Refusal):
    """This is shown only to whoever confirmed the request, on the device they used. Open it there."""


class ConsentLapsed(Refusal):
    """Somebody who agreed to this may not agree to it any more. Cancel it and ask again."""


class NothingToSee(Refusal):
    """There is nothing left to show: it was shown already or its time ran out. Ask again for a new one."""


# -- devices --------------------------------------------------------------------------------


class LinkUnknown(Refusal):
    """This enrolment link doesn't work. Ask an administrator for a new one."""


class LinkExpired(Refusal):
    """This enrolment link has expired: it lasts an hour. Ask an administrator for a new one."""


class LinkTaken(Refusal):
    """This enrolment link was opened in another browser. If that wasn't you, tell the desk at once."""


class HadADevice(Refusal):
    """This works only for someone who never had a device. Add devices on your device page, with one you have."""


class JoiningClosed(Refusal):
    """Nobody joins with a company account here. Ask an administrator for an enrolment link."""


class NoSignOn(JoiningClosed):
    """No company sign-on is connected, so nobody can join. Set COUNTERSIGN_OIDC_ISSUER and what goes with it."""


class SignOnUnknown(Refusal):
    """That sign-on wasn't begun in this browser, so nothing was done. Begin again here."""


class SignOnExpired(Refusal):
    """That sign-on took longer than ten minutes, so it doesn't count. Begin again here."""


class SignOnUsed(Refusal):
    """That sign-on was used already: each one counts once. Begin again here."""


class SignOnLeft(Refusal):
    """The company's sign-on says that you didn't sign on. Begin again here, or ask the desk about your account."""


class SignOnUntrue(Refusal):
    """The company's sign-on gave an answer that we can't rely on. Begin again; if it stays so, tell the desk."""


class SignOnAway(Refusal):
    """The company's sign-on doesn't answer, so nobody can use it just now. Nothing was changed. Try again soon."""


class NotToJoin(Refusal):
    """Nobody can join here with that company account. If it is yours, ask the desk to look into it."""


class UnknownDevice(Refusal):
    """There is no such device among yours. It may have been removed already."""


class UnknownPasskey(UnknownDevice):
    """There is no such passkey on a registered device. It may have been removed already."""


class LastOnDevice(Refusal):
    """Nothing else on its device can confirm anything, so this passkey can't go alone. Remove the whole device."""


class NotAnAdministrator(Refusal):
    """That person isn't an administrator. Name them under `roles: administrator:` in COUNTERSIGN_CONFIG first."""


class NotRecovered(Refusal):
    """That didn't match, or it can't be used now, and nothing was changed. Check each field, or talk to the desk."""


class TooBusy(Refusal):
    """Too many are trying that at the same moment. Nothing was changed. Wait a minute, then try again."""


class FrozenAgain(Refusal):
    """Something more was reported since this was asked, so it isn't lifted. Look into that, then ask again."""


class AccountTaken(Refusal):
    """That chat account belongs to somebody else here. If it is yours, tell an administrator at once."""


class UnknownAccount(Refusal):
    """There is no such chat account among yours. It may have been disconnected already."""


class ConnectionLinkUnknown(LinkUnknown):
    """This link doesn't connect anything: it lasts 15 minutes. Write to the bot again, and it sends a new one."""


class NotConnected(Refusal):
    """This chat account isn't connected to anybody yet. Write to me directly, and I'll give you a link for that."""


class Outsider(Refusal):
    """Only full members of this workspace can ask here: no guests, no apps, nobody from another company."""


class StrangeCard(Refusal):
    """That button wasn't put here for you, so nothing was done. Write to me directly, and ask again."""


class NoBrowserKey(Refusal):
    """This browser made no key of its own. Turn on JavaScript and site data; don't use a private window."""


class UnsignedRequest(Refusal):
    """This browser didn't show that it is the registered one. Nothing was changed. Open the start page, try again."""


class BadName(Refusal):
    """A device's name has between 1 and 40 characters. Choose another."""


class NotInitial(Refusal):
    """`init` makes the first two administrators, and no more. After that, an administrator makes the links."""


# -- keeping --------------------------------------------------------------------------------


class NotAuthorised(Refusal):
    """The evidence for this request doesn't hold, so nothing was changed. Security has been told."""


class Tampered(Refusal):
    """A stored record was changed from outside, so it isn't trusted any more. Security has been told."""


class Repeated(Refusal):
    """That was done already, and nothing is done twice. Look at the request to see how it stands."""


class Abandoned(Refusal):
    """We couldn't work on that within two days, so we stopped trying. Ask again if it is still needed."""


class Conflict(Refusal):
    """Something else happened at the same moment. Look at the request again, then repeat if still needed."""
