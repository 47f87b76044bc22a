// Refuses messages whose subject is too short.

import { write } from "gatepost:policy/log@0.1.0";

// What an administrator may set, in `settings` of the configuration.
const DEFAULTS = { "min-subject": 1 };
// What people and tools are told about it.
const SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    "min-subject": { type: "integer", default: 1, description: "Characters that a subject has at least." },
  },
};

export const lifecycle = {
  describe: () => ({
    name: "{{name}}",
    version: "0.1.0",
    summary: "Refuses messages whose subject is too short.",
    settingsSchema: JSON.stringify(SCHEMA),
  }),
  validateSettings: (settings) =>
    Object.entries(JSON.parse(settings)).flatMap(([key, value]) => {
      if (!Object.hasOwn(DEFAULTS, key)) {
        return [{ path: `/${key}`, message: `unknown field \`${key}\`; there is \`min-subject\`` }];
      }
      return Number.isInteger(value) && value >= 0 ? [] : [{ path: `/${key}`, message: "must be a whole number" }];
    }),
};

export const messageStage = {
  evaluate({ settings, message }) {
    const minimum = { ...DEFAULTS, ...JSON.parse(settings) }["min-subject"];
    const length = [...message.subject.trim()].length;
    if (length >= minimum) return verdict({ tag: "pass" }, "subject");
    const senders = message.headerFrom.map((address) => address.full).join(", ");
    write("info", `${senders} wrote ${length} characters`);
    const text = `the subject is too short; write one of at least ${minimum} character${minimum === 1 ? "" : "s"}`;
    // RFC 3463: 5.7.1 is a refusal by policy.
    const reply = { code: 550, enhanced: { class: 5, subject: 7, detail: 1 }, text };
    return verdict({ tag: "reject", val: reply }, "subject-too-short");
  },
};

const verdict = (decision, rule) => ({ decision, priority: undefined, alerts: [], rule, facts: [] });
