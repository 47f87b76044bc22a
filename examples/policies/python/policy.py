"""Gatepost's sender rules in Python: who may send as whom, and how urgent a message is.

The interface is wit/policy.wit; the host calls the three classes at the end of this file. Addresses
and list entries arrive normalised, so the rules are comparisons of texts.
"""

import json
import re
from dataclasses import dataclass

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.lifecycle import Descriptor, Problem
from wit_world.imports.types import (
    Alert, Decision_Accept, Decision_Pass, Decision_Reject, EnhancedCode, Fact, Originators, Priority,
    Reply, Severity, Verdict,
)

# What people call the places where a sender's address stands.
PLACES = {"from": "From", "sender": "Sender", "envelope": "MAIL FROM"}
# Where a person finds them.
WHEREABOUTS = {
    "from": "From field of the message",
    "sender": "Sender field of the message",
    "envelope": "envelope sender: your From address, or the Return-Path where set",
}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "unauthorized": {"enum": ["block", "alert"], "default": "block"},
        "check": {
            "type": "array",
            "items": {"enum": list(PLACES)},
            "minItems": 1,
            "uniqueItems": True,
            "default": list(PLACES),
        },
    },
}


# --- Settings ---


@dataclass
class Settings:
    """What is in force for one decision: the settings, with what the user's list has of its own."""

    block: bool = True
    check: tuple = tuple(PLACES)


def settings_problems(text):
    """Everything that is wrong with the settings, as pairs of JSON Pointer and explanation."""
    try:
        document = json.loads(text)
    except ValueError as error:
        return [("", f"not a JSON document: {error}")]
    if not isinstance(document, dict):
        return [("", 'must be an object such as {"unauthorized": "block"}')]
    problems = []
    for key, value in document.items():
        if key == "unauthorized":
            if value not in ("block", "alert"):
                problems.append(("/unauthorized", f'must be "block" or "alert", not {json.dumps(value)}'))
        elif key == "check":
            problems += check_problems(value)
        else:
            problems.append((f"/{key}", f"`{key}` is not a setting; the settings are `unauthorized` and `check`"))
    return problems


def check_problems(value):
    if not isinstance(value, list) or not value:
        return [("/check", 'must be an array of at least one of "from", "sender" and "envelope"')]
    problems = []
    for index, word in enumerate(value):
        if not isinstance(word, str) or word not in PLACES:
            problems.append((f"/check/{index}", f'must be "from", "sender" or "envelope", not {json.dumps(word)}'))
        elif word in value[:index]:
            problems.append((f"/check/{index}", f'repeats "{word}"'))
    return problems


def settings_in_force(text, identity):
    problems = settings_problems(text)
    if problems:
        raise Err(f"settings{problems[0][0]}: {problems[0][1]}")
    document = json.loads(text)
    settings = Settings(
        block=document.get("unauthorized", "block") == "block",
        check=tuple(document.get("check", PLACES)),
    )
    unauthorized = fact(identity.facts, "list.unauthorized")
    if unauthorized is not None:
        if unauthorized not in ("block", "alert"):
            raise Err(f"the fact list.unauthorized is `{unauthorized}`; expected `block` or `alert`")
        settings.block = unauthorized == "block"
    check = fact(identity.facts, "list.check")
    if check is not None:
        settings.check = tuple(word.strip() for word in check.split(","))
        if not all(word in PLACES for word in settings.check):
            raise Err(f"the fact list.check is `{check}`; expected some of from,sender,envelope")
    return settings


def fact(facts, name):
    """The first fact of that name; None when there is none."""
    return next((fact.value.strip() for fact in facts if fact.name == name), None)


# --- Who may send as whom ---

DOMAIN = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
LITERAL = re.compile(r"\[[a-zA-Z0-9.:-]+\]")


def lower(text):
    """Each character by itself: str.lower() looks at the neighbours of a sigma."""
    return "".join(character.lower() for character in text)


class Allowed:
    """What a user may send as. An entry that is no domain and no address covers nothing, and still
    counts: a list of useless entries never means "everyone"."""

    def __init__(self, identity):
        self.everyone = not identity.authorized_domains and not identity.authorized_senders
        self.domains = set()
        self.parents = []
        self.senders = set()
        self.shown = []
        for entry in identity.authorized_domains:
            parent = entry[2:] if entry.startswith("*.") else None
            if parent is not None and "." in parent and DOMAIN.fullmatch(parent):
                self.parents.append("." + parent)
                self.shown.append(entry)
            elif DOMAIN.fullmatch(entry) or LITERAL.fullmatch(entry):
                self.domains.add(entry)
                self.shown.append(entry)
        for entry in identity.authorized_senders:
            local_part, at, domain = entry.rpartition("@")
            # Whoever enters a * means a pattern, and there are none for addresses.
            if at and local_part and "*" not in local_part and (DOMAIN.fullmatch(domain) or LITERAL.fullmatch(domain)):
                self.senders.add((lower(local_part), domain))
                self.shown.append(entry)

    def covers(self, address):
        return (
            self.everyone
            or address.domain in self.domains
            or any(address.domain.endswith(parent) and address.domain != parent for parent in self.parents)
            or (lower(address.local_part), address.domain) in self.senders
        )


def claimed(settings, message, mail_from):
    """Every checked address that a message claims as its sender's, with its place."""
    claims = [("from", address) for address in message.header_from]
    claims += [("sender", address) for address in message.header_sender]
    claims += [("envelope", mail_from)] if mail_from is not None else []
    return [claim for claim in claims if claim[0] in settings.check]


def malformed_rule(settings, message):
    """The rule of a message whose sender cannot be told; None when it can."""
    if message.originators == Originators.UNREADABLE:
        return "originator-unreadable" if "from" in settings.check or "sender" in settings.check else None
    if message.originators == Originators.MISSING or not message.header_from:
        return "originator-missing" if "from" in settings.check else None
    return None


# --- Verdicts ---


def verdict(decision, rule, alerts=(), facts=()):
    return Verdict(decision, None, list(alerts), rule, list(facts))


def warning(code, summary):
    return Alert(Severity.WARNING, code, summary)


def refusal(detail, text):
    """5.7.1 is delivery not authorized, 5.6.0 a malformed message (RFC 3463)."""
    return Decision_Reject(Reply(550, detail, text))


def not_authorized(place, address, identity, allowed):
    if allowed.shown:
        more = " and more" if len(allowed.shown) > 5 else ""
        hint = (f"allowed: {', '.join(allowed.shown[:5])}{more}; change it to one of these in your program's settings, "
                "or ask your administrator to authorize it")
    else:
        hint = "none of the user's authorized domains and senders is valid: ask the administrator to correct them"
    who = f"the sender address {address.full} ({WHEREABOUTS[place]}) is not authorized for user {identity.username}"
    return refusal(EnhancedCode(5, 7, 1), f"{who}; {hint}")


def about(claims, identity, outcome):
    """The alert about unauthorized addresses."""
    who = ", ".join(f"{address.full} ({PLACES[place]})" for place, address in claims[:3])
    return warning("sender-not-authorized", f"{who} not authorized for user {identity.username}; {outcome}")


def facts_of(claim):
    place, address = claim
    return [Fact("x.place", place), Fact("x.address", address.full)]


def judge_malformed(settings, identity, allowed, rule, claims):
    """In block mode nobody may send it."""
    outcome = "the message was blocked" if settings.block else "the message was sent"
    what = "no From address" if rule == "originator-missing" else "a From or Sender field that cannot be read"
    alerts = [warning("originator-malformed", f"{what} in a message of user {identity.username}; {outcome}")]
    if claims:
        alerts.append(about(claims, identity, outcome))
    elif not allowed.everyone:
        summary = f"a message with {what} of user {identity.username} has no authorized sender; {outcome}"
        alerts.append(warning("sender-not-authorized", summary))
    if not settings.block:
        return verdict(Decision_Accept(), rule, alerts)
    text = f"The message has {what}; write each address as Your Name <you@example.com>, several with commas between"
    return verdict(refusal(EnhancedCode(5, 6, 0), text), rule, alerts)


def judge_message(settings, identity, message, mail_from):
    allowed = Allowed(identity)
    claims = [claim for claim in claimed(settings, message, mail_from) if not allowed.covers(claim[1])]
    malformed = malformed_rule(settings, message)
    if malformed:
        return judge_malformed(settings, identity, allowed, malformed, claims)
    if not claims:
        return verdict(Decision_Accept(), "unrestricted" if allowed.everyone else "authorized")
    if not settings.block:
        alert = about(claims, identity, "the message was sent")
        return verdict(Decision_Accept(), "unauthorized-alert", [alert], facts_of(claims[0]))
    alert = about(claims, identity, "the message was blocked")
    decision = not_authorized(*claims[0], identity, allowed)
    return verdict(decision, "unauthorized-block", [alert], facts_of(claims[0]))


def judge_sender(settings, identity, sender):
    """The reverse-path alone, before the upload: what the message stage would not block passes."""
    if sender is None:
        return verdict(Decision_Pass(), "null-sender")
    if "envelope" not in settings.check:
        return verdict(Decision_Pass(), "envelope-unchecked")
    allowed = Allowed(identity)
    if allowed.covers(sender):
        return verdict(Decision_Accept(), "unrestricted" if allowed.everyone else "authorized")
    if not settings.block:
        return verdict(Decision_Pass(), "unauthorized-alert")
    claim = ("envelope", sender)
    alert = about([claim], identity, "the message was blocked before its upload")
    return verdict(not_authorized(*claim, identity, allowed), "unauthorized-block", [alert], facts_of(claim))


# --- How urgent ---


def effective_priority(default, requested, decided):
    """The more urgent of the user's and the message's. What an earlier policy raised takes part, what it
    lowered stands."""
    if decided in (Priority.LOW, Priority.LOWEST):
        return decided
    voices = [default] + ([requested] if requested is not None else [])
    voices += [decided] if decided != Priority.NORMAL else []
    return min(voices, key=lambda priority: priority.value)


# --- The interface ---


class Lifecycle(exports.Lifecycle):
    def describe(self):
        summary = "The sender rules in Python."
        return Descriptor("sender-rules-python", "0.1.0", summary, json.dumps(SCHEMA))

    def validate_settings(self, settings):
        return [Problem(path, message) for path, message in settings_problems(settings)]


class MessageStage(exports.MessageStage):
    def evaluate(self, req):
        identity = req.session.identity
        settings = settings_in_force(req.settings, identity)
        answer = judge_message(settings, identity, req.message, req.envelope.mail_from)
        if isinstance(answer.decision, Decision_Accept):
            answer.priority = effective_priority(
                identity.default_priority, req.message.requested_priority, req.effective_priority
            )
        return answer


class EnvelopeStage(exports.EnvelopeStage):
    def on_sender(self, req, sender):
        identity = req.session.identity
        return judge_sender(settings_in_force(req.settings, identity), identity, sender)

    def on_recipient(self, req, recipient):
        return verdict(Decision_Pass(), "recipient-unchecked")
