// Gatepost's sender rules in JavaScript: who may send as whom, and how urgent a message is.
//
// The interface is wit/policy.wit; the host calls the three objects exported at the end of this file.
// Addresses and list entries arrive normalised, so the rules are comparisons of texts.

// What people call the places where a sender's address stands.
const PLACES = { from: "From", sender: "Sender", envelope: "MAIL FROM" };
// Where a person finds them.
const WHEREABOUTS = {
  from: "From field of the message",
  sender: "Sender field of the message",
  envelope: "envelope sender: your From address, or the Return-Path where set",
};
// The most urgent first.
const PRIORITIES = ["highest", "high", "normal", "low", "lowest"];
const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    unauthorized: { enum: ["block", "alert"], default: "block" },
    check: {
      type: "array",
      items: { enum: Object.keys(PLACES) },
      minItems: 1,
      uniqueItems: true,
      default: Object.keys(PLACES),
    },
  },
};

const isPlace = (word) => typeof word === "string" && Object.hasOwn(PLACES, word);

// --- Settings ---

// Everything that is wrong with the settings: a JSON Pointer and an explanation each.
function settingsProblems(text) {
  let document;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return [{ path: "", message: `not a JSON document: ${error.message}` }];
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    return [{ path: "", message: 'must be an object such as {"unauthorized": "block"}' }];
  }
  return Object.entries(document).flatMap(([key, value]) => {
    switch (key) {
      case "unauthorized":
        if (value === "block" || value === "alert") return [];
        return [{ path: "/unauthorized", message: `must be "block" or "alert", not ${JSON.stringify(value)}` }];
      case "check":
        return checkProblems(value);
      default:
        return [{
          path: `/${key}`,
          message: `\`${key}\` is not a setting; the settings are \`unauthorized\` and \`check\``,
        }];
    }
  });
}

function checkProblems(value) {
  if (!Array.isArray(value) || value.length === 0) {
    return [{ path: "/check", message: 'must be an array of at least one of "from", "sender" and "envelope"' }];
  }
  return value.flatMap((word, index) => {
    const path = `/check/${index}`;
    if (!isPlace(word)) {
      return [{ path, message: `must be "from", "sender" or "envelope", not ${JSON.stringify(word)}` }];
    }
    return value.indexOf(word) < index ? [{ path, message: `repeats "${word}"` }] : [];
  });
}

// What is in force for one decision: the settings, with what the user's list has of its own. What is
// thrown becomes the error of the exported function: the message is deferred.
function settingsInForce(text, identity) {
  const [problem] = settingsProblems(text);
  if (problem) throw `settings${problem.path}: ${problem.message}`;
  const document = JSON.parse(text);
  const unauthorized = fact(identity.facts, "list.unauthorized") ?? document.unauthorized ?? "block";
  if (unauthorized !== "block" && unauthorized !== "alert") {
    throw `the fact list.unauthorized is \`${unauthorized}\`; expected \`block\` or \`alert\``;
  }
  const words = fact(identity.facts, "list.check");
  const check = words?.split(",").map((word) => word.trim()) ?? document.check ?? Object.keys(PLACES);
  if (!check.every(isPlace)) {
    throw `the fact list.check is \`${words}\`; expected some of from,sender,envelope`;
  }
  return { block: unauthorized === "block", check };
}

// The first fact of that name; undefined when there is none.
function fact(facts, name) {
  return facts.find((fact) => fact.name === name)?.value.trim();
}

// --- Who may send as whom ---

const DOMAIN = /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/;
const LITERAL = /^\[[a-zA-Z0-9.:-]+\]$/;
const isDomain = (text) => DOMAIN.test(text) || LITERAL.test(text);

// Each character by itself: toLowerCase looks at the neighbours of a sigma.
const lower = (text) => Array.from(text, (character) => character.toLowerCase()).join("");

// What a user may send as. An entry that is no domain and no address covers nothing, and still counts: a
// list of useless entries never means "everyone".
function allowedOf(identity) {
  const everyone = identity.authorizedDomains.length === 0 && identity.authorizedSenders.length === 0;
  const domains = new Set(identity.authorizedDomains.filter(isDomain));
  const wildcards = identity.authorizedDomains.filter(
    (entry) => entry.startsWith("*.") && entry.slice(2).includes(".") && DOMAIN.test(entry.slice(2)),
  );
  const parents = wildcards.map((entry) => entry.slice(1));
  const addresses = identity.authorizedSenders.map(parts).filter(isAddress);
  const senders = new Set(addresses.map(({ localPart, domain }) => `${lower(localPart)}@${domain}`));
  return {
    everyone,
    shown: [...domains, ...wildcards, ...addresses.map((address) => address.full)],
    covers: (address) =>
      everyone ||
      domains.has(address.domain) ||
      parents.some((parent) => address.domain.endsWith(parent) && address.domain !== parent) ||
      senders.has(`${lower(address.localPart)}@${address.domain}`),
  };
}

function parts(full) {
  const at = full.lastIndexOf("@");
  return { full, localPart: full.slice(0, Math.max(at, 0)), domain: full.slice(at + 1) };
}

// Whoever enters a * means a pattern, and there are none for addresses.
const isAddress = ({ localPart, domain }) => localPart !== "" && !localPart.includes("*") && isDomain(domain);

// Every checked address that a message claims as its sender's, with its place.
function claimed(settings, message, mailFrom) {
  const claims = [
    ...message.headerFrom.map((address) => ({ place: "from", address })),
    ...message.headerSender.map((address) => ({ place: "sender", address })),
    ...(mailFrom ? [{ place: "envelope", address: mailFrom }] : []),
  ];
  return claims.filter((claim) => settings.check.includes(claim.place));
}

// The rule of a message whose sender cannot be told; undefined when it can.
function malformedRule({ check }, message) {
  if (message.originators === "unreadable") {
    return check.includes("from") || check.includes("sender") ? "originator-unreadable" : undefined;
  }
  const missing = message.originators === "missing" || message.headerFrom.length === 0;
  return missing && check.includes("from") ? "originator-missing" : undefined;
}

// --- Verdicts ---

const PASS = { tag: "pass" };
const ACCEPT = { tag: "accept" };
// Delivery not authorized, and a malformed message (RFC 3463).
const NOT_AUTHORIZED = { class: 5, subject: 7, detail: 1 };
const MALFORMED = { class: 5, subject: 6, detail: 0 };

const verdict = (decision, rule, alerts = [], facts = []) => ({ decision, priority: undefined, alerts, rule, facts });
const refusal = (enhanced, text) => ({ tag: "reject", val: { code: 550, enhanced, text } });
const warning = (code, summary) => ({ severity: "warning", code, summary });

function notAuthorized({ place, address }, identity, allowed) {
  const shown = allowed.shown.slice(0, 5).join(", ") + (allowed.shown.length > 5 ? " and more" : "");
  const hint = shown === ""
    ? "none of the user's authorized domains and senders is valid: ask the administrator to correct them"
    : `allowed: ${shown}; change it to one of these in your program's settings, or ask your administrator to authorize it`;
  const what = `the sender address ${address.full} (${WHEREABOUTS[place]}) is not authorized for user ${identity.username}`;
  return refusal(NOT_AUTHORIZED, `${what}; ${hint}`);
}

// The alert about unauthorized addresses.
function about(claims, identity, outcome) {
  const who = claims.slice(0, 3).map(({ place, address }) => `${address.full} (${PLACES[place]})`).join(", ");
  return warning("sender-not-authorized", `${who} not authorized for user ${identity.username}; ${outcome}`);
}

const factsOf = ({ place, address }) => [
  { name: "x.place", value: place },
  { name: "x.address", value: address.full },
];

// In block mode nobody may send it.
function judgeMalformed(settings, identity, allowed, rule, claims) {
  const outcome = settings.block ? "the message was blocked" : "the message was sent";
  const what = rule === "originator-missing" ? "no From address" : "a From or Sender field that cannot be read";
  const alerts = [warning("originator-malformed", `${what} in a message of user ${identity.username}; ${outcome}`)];
  if (claims.length > 0) {
    alerts.push(about(claims, identity, outcome));
  } else if (!allowed.everyone) {
    const summary = `a message with ${what} of user ${identity.username} has no authorized sender; ${outcome}`;
    alerts.push(warning("sender-not-authorized", summary));
  }
  if (!settings.block) return verdict(ACCEPT, rule, alerts);
  const remedy = "write each address as Your Name <you@example.com>, several with commas between";
  return verdict(refusal(MALFORMED, `The message has ${what}; ${remedy}`), rule, alerts);
}

function judgeMessage(settings, identity, message, mailFrom) {
  const allowed = allowedOf(identity);
  const claims = claimed(settings, message, mailFrom).filter((claim) => !allowed.covers(claim.address));
  const malformed = malformedRule(settings, message);
  if (malformed) return judgeMalformed(settings, identity, allowed, malformed, claims);
  if (claims.length === 0) return verdict(ACCEPT, allowed.everyone ? "unrestricted" : "authorized");
  if (!settings.block) {
    const alert = about(claims, identity, "the message was sent");
    return verdict(ACCEPT, "unauthorized-alert", [alert], factsOf(claims[0]));
  }
  const alert = about(claims, identity, "the message was blocked");
  const decision = notAuthorized(claims[0], identity, allowed);
  return verdict(decision, "unauthorized-block", [alert], factsOf(claims[0]));
}

// The reverse-path alone, before the upload: what the message stage would not block passes.
function judgeSender(settings, identity, sender) {
  if (!sender) return verdict(PASS, "null-sender");
  if (!settings.check.includes("envelope")) return verdict(PASS, "envelope-unchecked");
  const allowed = allowedOf(identity);
  if (allowed.covers(sender)) return verdict(ACCEPT, allowed.everyone ? "unrestricted" : "authorized");
  if (!settings.block) return verdict(PASS, "unauthorized-alert");
  const claim = { place: "envelope", address: sender };
  const alert = about([claim], identity, "the message was blocked before its upload");
  return verdict(notAuthorized(claim, identity, allowed), "unauthorized-block", [alert], factsOf(claim));
}

// --- How urgent ---

// The more urgent of the user's and the message's. What an earlier policy raised takes part, what it
// lowered stands.
function effectivePriority(own, requested, decided) {
  if (decided === "low" || decided === "lowest") return decided;
  const voices = [own, requested ?? own, decided === "normal" ? own : decided];
  return PRIORITIES.find((priority) => voices.includes(priority));
}

// --- The interface ---

export const lifecycle = {
  describe: () => ({
    name: "sender-rules-javascript",
    version: "0.1.0",
    summary: "The sender rules in JavaScript.",
    settingsSchema: JSON.stringify(SCHEMA),
  }),
  validateSettings: settingsProblems,
};

export const messageStage = {
  evaluate({ settings, session, envelope, message, effectivePriority: decided }) {
    const { identity } = session;
    const answer = judgeMessage(settingsInForce(settings, identity), identity, message, envelope.mailFrom);
    if (answer.decision.tag === "accept") {
      answer.priority = effectivePriority(identity.defaultPriority, message.requestedPriority, decided);
    }
    return answer;
  },
};

export const envelopeStage = {
  onSender({ settings, session }, sender) {
    return judgeSender(settingsInForce(settings, session.identity), session.identity, sender);
  },
  onRecipient: () => verdict(PASS, "recipient-unchecked"),
};
