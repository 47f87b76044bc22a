"""Refuses messages whose subject is too short."""

import json

from wit_world import exports
from wit_world.exports.lifecycle import Descriptor, Problem
from wit_world.imports import log
from wit_world.imports.types import Decision_Pass, Decision_Reject, EnhancedCode, Reply, Verdict

# What an administrator may set, in `settings` of the configuration.
DEFAULTS = {"min-subject": 1}
# What people and tools are told about it.
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "min-subject": {"type": "integer", "default": 1, "description": "Characters that a subject has at least."},
    },
}


class Lifecycle(exports.Lifecycle):
    def describe(self):
        return Descriptor("{{name}}", "0.1.0", "Refuses messages whose subject is too short.", json.dumps(SCHEMA))

    def validate_settings(self, settings):
        problems = []
        for key, value in json.loads(settings).items():
            if key not in DEFAULTS:
                problems.append(Problem(f"/{key}", f"unknown field `{key}`; there is `min-subject`"))
            elif type(value) is not int or value < 0:
                problems.append(Problem(f"/{key}", "must be a whole number"))
        return problems


class MessageStage(exports.MessageStage):
    def evaluate(self, req):
        minimum = (DEFAULTS | json.loads(req.settings))["min-subject"]
        length = len(req.message.subject.strip())
        if length >= minimum:
            return verdict(Decision_Pass(), "subject")
        senders = ", ".join(address.full for address in req.message.header_from)
        log.write(log.Level.INFO, f"{senders} wrote {length} characters")
        plural = "" if minimum == 1 else "s"
        text = f"the subject is too short; write one of at least {minimum} character{plural}"
        # RFC 3463: 5.7.1 is a refusal by policy.
        return verdict(Decision_Reject(Reply(550, EnhancedCode(5, 7, 1), text)), "subject-too-short")


def verdict(decision, rule):
    return Verdict(decision, priority=None, alerts=[], rule=rule, facts=[])
