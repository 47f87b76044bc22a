// Gatepost's sender rules in C: who may send as whom, and how urgent a message is.
//
// The interface is wit/policy.wit, in C the generated header; the exported functions stand at the end
// of this file. Addresses and list entries arrive normalised, so the rules are comparisons of texts.
//
// Every evaluation has an instance of its own, so nothing is freed here. What is returned is freed by
// the generated code: it must come from malloc, never from a literal (see `owned`).

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "gen/submission_policy.h"

typedef submission_policy_string_t text;
typedef submission_policy_list_string_t texts;
typedef gatepost_policy_types_address_t address;
typedef gatepost_policy_types_list_address_t addresses;
typedef gatepost_policy_types_alert_t alert;
typedef gatepost_policy_types_fact_t fact;
typedef gatepost_policy_types_list_fact_t facts;
typedef gatepost_policy_types_identity_t identity;
typedef gatepost_policy_types_message_t message;
typedef gatepost_policy_types_priority_t priority;
typedef gatepost_policy_types_verdict_t verdict;
typedef exports_gatepost_policy_lifecycle_problem_t problem;
typedef exports_gatepost_policy_lifecycle_list_problem_t problems;

// --- Texts ---

#define TEXT(literal) ((text){(uint8_t *)(literal), sizeof(literal) - 1})
static const text NONE = {NULL, 0};

static void *allocated(size_t size) {
  void *memory = malloc(size);
  if (memory == NULL) abort();
  return memory;
}

// The texts one after the other, up to NONE, in memory of their own.
static text joined(text first, ...) {
  text result = {NULL, 0};
  va_list more;
  va_start(more, first);
  for (text part = first; part.ptr != NULL; part = va_arg(more, text)) {
    result.ptr = realloc(result.ptr, result.len + part.len + 1);
    if (result.ptr == NULL) abort();
    memcpy(result.ptr + result.len, part.ptr, part.len);
    result.len += part.len;
  }
  va_end(more);
  return result;
}

// A copy, for what is returned.
static text owned(text original) {
  text copy = {allocated(original.len + 1), original.len};
  if (original.len > 0) memcpy(copy.ptr, original.ptr, original.len);
  return copy;
}

static bool equal(text a, text b) { return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0); }

static bool contains(text whole, char octet) { return whole.len > 0 && memchr(whole.ptr, octet, whole.len) != NULL; }

static bool ends_with(text whole, text end) {
  return whole.len >= end.len && memcmp(whole.ptr + whole.len - end.len, end.ptr, end.len) == 0;
}

static text part(text whole, size_t from, size_t to) { return (text){whole.ptr + from, to - from}; }

static bool is_space(uint8_t octet) { return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n'; }

static text trimmed(text whole) {
  while (whole.len > 0 && is_space(whole.ptr[0])) whole = part(whole, 1, whole.len);
  while (whole.len > 0 && is_space(whole.ptr[whole.len - 1])) whole.len--;
  return whole;
}

// The next character of valid UTF-8, which every text of the interface is.
static wint_t next_character(text whole, size_t *at) {
  uint8_t first = whole.ptr[(*at)++];
  wint_t character = first < 0x80 ? first : first < 0xE0 ? first & 0x1F : first < 0xF0 ? first & 0x0F : first & 0x07;
  while (*at < whole.len && (whole.ptr[*at] & 0xC0) == 0x80) character = character << 6 | (whole.ptr[(*at)++] & 0x3F);
  return character;
}

// Compares without regard to case, character by character.
static bool equal_without_case(text a, text b) {
  size_t in_a = 0, in_b = 0;
  while (in_a < a.len && in_b < b.len)
    if (towlower(next_character(a, &in_a)) != towlower(next_character(b, &in_b))) return false;
  return in_a == a.len && in_b == b.len;
}

// --- Settings ---

enum place { FROM, SENDER, ENVELOPE, PLACES };
static const text PLACE_WORDS[PLACES] = {
    {(uint8_t *)"from", 4}, {(uint8_t *)"sender", 6}, {(uint8_t *)"envelope", 8}};
static const text PLACE_LABELS[PLACES] = {
    {(uint8_t *)"From", 4}, {(uint8_t *)"Sender", 6}, {(uint8_t *)"MAIL FROM", 9}};
// Where a person finds them.
static const char *const WHEREABOUTS[PLACES] = {
    "From field of the message", "Sender field of the message",
    "envelope sender: your From address, or the Return-Path where set"};

static const char SCHEMA[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"unauthorized\":{\"enum\":[\"block\",\"alert\"],\"default\":\"block\"},"
    "\"check\":{\"type\":\"array\",\"items\":{\"enum\":[\"from\",\"sender\",\"envelope\"]},\"minItems\":1,"
    "\"uniqueItems\":true,\"default\":[\"from\",\"sender\",\"envelope\"]}}}";

// What is in force for one decision: the settings, with what the user's list has of its own.
typedef struct {
  bool block;
  bool check[PLACES];
} settings;

static bool read_unauthorized(text word, bool *block) {
  *block = equal(word, TEXT("block"));
  return *block || equal(word, TEXT("alert"));
}

// PLACES when the word names none.
static enum place place_of(text word) {
  enum place place = FROM;
  while (place < PLACES && !equal(word, PLACE_WORDS[place])) place++;
  return place;
}

static void add_problem(problems *found, text path, text explanation) {
  found->ptr = realloc(found->ptr, (found->len + 1) * sizeof(problem));
  if (found->ptr == NULL) abort();
  found->ptr[found->len++] = (problem){owned(path), owned(explanation)};
}

// A reader of JSON that knows what settings need: strings, arrays of strings, and where another value ends.
typedef struct {
  text document;
  size_t at;
  bool failed;
} reader;

static uint8_t peek(reader *json) {
  while (json->at < json->document.len && is_space(json->document.ptr[json->at])) json->at++;
  return json->at < json->document.len ? json->document.ptr[json->at] : 0;
}

static bool take(reader *json, uint8_t octet) {
  bool found = peek(json) == octet;
  json->at += found;
  return found;
}

// A string as it is written, without its quotes; the words of settings need no escapes.
static text read_string(reader *json) {
  if (!take(json, '"')) json->failed = true;
  size_t start = json->at;
  while (!json->failed && json->document.ptr[json->at] != '"') {
    json->at += json->document.ptr[json->at] == '\\' ? 2 : 1;
    json->failed = json->at >= json->document.len;
  }
  return json->failed ? TEXT("") : part(json->document, start, json->at++);
}

// Any value, as it is written.
static text read_value(reader *json) {
  uint8_t first = peek(json);
  size_t start = json->at, depth = 0;
  do {
    uint8_t octet = peek(json);
    if (octet == '"') {
      read_string(json);
    } else if (octet == 0 || (depth == 0 && (octet == ',' || octet == ']' || octet == '}'))) {
      json->failed = true;
    } else {
      depth += octet == '[' || octet == '{';
      depth -= octet == ']' || octet == '}';
      json->at++;
    }
  } while (!json->failed && (depth > 0 || (first != '"' && first != '[' && first != '{' && peek(json) != ',' &&
                                           peek(json) != ']' && peek(json) != '}' && peek(json) != 0)));
  return json->failed ? TEXT("") : part(json->document, start, json->at);
}

static void read_check(text value, settings *read, problems *found) {
  reader json = {value, 0, false};
  memset(read->check, 0, sizeof read->check);
  if (!take(&json, '[') || peek(&json) == ']') {
    add_problem(found, TEXT("/check"), TEXT("must be an array of at least one of \"from\", \"sender\" and \"envelope\""));
    return;
  }
  for (char index = '0'; index == '0' || take(&json, ','); index++) {
    text word = read_value(&json);
    bool is_string = word.len >= 2 && word.ptr[0] == '"';
    enum place place = is_string ? place_of(part(word, 1, word.len - 1)) : PLACES;
    // There are three places, so the fourth element is wrong at the latest; one digit is enough.
    text path = joined(TEXT("/check/"), (text){(uint8_t *)&index, 1}, NONE);
    if (place == PLACES || read->check[place] || index > '9') {
      text what = place == PLACES ? TEXT("must be \"from\", \"sender\" or \"envelope\", not ") : TEXT("repeats ");
      add_problem(found, path, joined(what, word, NONE));
      if (index >= '9') return;
    } else {
      read->check[place] = true;
    }
  }
}

// Reads the settings and collects everything that is wrong with them.
static settings read_settings(text document, problems *found) {
  settings read = {true, {true, true, true}};
  reader json = {document, 0, false};
  if (!take(&json, '{')) {
    add_problem(found, TEXT(""), TEXT("must be an object such as {\"unauthorized\": \"block\"}"));
    return read;
  }
  bool more = peek(&json) != '}';
  while (more && !json.failed) {
    text key = read_string(&json);
    json.failed |= !take(&json, ':');
    text value = read_value(&json);
    more = take(&json, ',');
    if (json.failed) break;
    if (equal(key, TEXT("unauthorized"))) {
      bool is_string = value.len >= 2 && value.ptr[0] == '"';
      if (!is_string || !read_unauthorized(part(value, 1, value.len - 1), &read.block))
        add_problem(found, TEXT("/unauthorized"), joined(TEXT("must be \"block\" or \"alert\", not "), value, NONE));
    } else if (equal(key, TEXT("check"))) {
      read_check(value, &read, found);
    } else {
      text known = TEXT("` is not a setting; the settings are `unauthorized` and `check`");
      add_problem(found, joined(TEXT("/"), key, NONE), joined(TEXT("`"), key, known, NONE));
    }
  }
  if (json.failed || !take(&json, '}') || peek(&json) != 0) add_problem(found, TEXT(""), TEXT("not a JSON document"));
  return read;
}

// The first fact of that name; NONE when there is none.
static text fact_of(facts all, text name) {
  for (size_t i = 0; i < all.len; i++)
    if (equal(all.ptr[i].name, name)) return trimmed(all.ptr[i].value);
  return NONE;
}

// Reads `from,envelope`; false when a word is unknown.
static bool read_places(text words, bool check[PLACES]) {
  memset(check, 0, PLACES * sizeof *check);
  for (size_t start = 0, end = 0; end <= words.len; end++) {
    if (end < words.len && words.ptr[end] != ',') continue;
    enum place place = place_of(trimmed(part(words, start, end)));
    if (place == PLACES) return false;
    check[place] = true;
    start = end + 1;
  }
  return true;
}

// False, with an explanation, when the settings or the facts of the list cannot be read: guessing could let
// a message through.
static bool settings_in_force(text document, const identity *user, settings *read, text *error) {
  problems found = {NULL, 0};
  *read = read_settings(document, &found);
  if (found.len > 0) {
    *error = joined(TEXT("settings"), found.ptr[0].path, TEXT(": "), found.ptr[0].message, NONE);
    return false;
  }
  text unauthorized = fact_of(user->facts, TEXT("list.unauthorized"));
  if (unauthorized.ptr != NULL && !read_unauthorized(unauthorized, &read->block)) {
    *error = joined(TEXT("the fact list.unauthorized is `"), unauthorized, TEXT("`; expected `block` or `alert`"), NONE);
    return false;
  }
  text check = fact_of(user->facts, TEXT("list.check"));
  if (check.ptr != NULL && !read_places(check, read->check)) {
    *error = joined(TEXT("the fact list.check is `"), check, TEXT("`; expected some of from,sender,envelope"), NONE);
    return false;
  }
  return true;
}

// --- Who may send as whom ---

static bool is_domain(text domain) {
  size_t label = 0;
  for (size_t i = 0; i < domain.len; i++) {
    uint8_t octet = domain.ptr[i];
    bool known = (octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9') || octet == '-' || octet == '_';
    if (octet == '.' ? label == 0 : !known || label == 63) return false;
    label = octet == '.' ? 0 : label + 1;
  }
  return label > 0;
}

// `[192.0.2.1]`
static bool is_literal(text domain) {
  if (domain.len < 3 || domain.ptr[0] != '[' || domain.ptr[domain.len - 1] != ']') return false;
  return !contains(part(domain, 1, domain.len - 1), '[') && !contains(domain, ' ');
}

// `*.example.com`; the apex of the wildcard has a dot.
static bool is_wildcard(text domain) {
  if (domain.len < 3 || memcmp(domain.ptr, "*.", 2) != 0) return false;
  text parent = part(domain, 2, domain.len);
  return is_domain(parent) && contains(parent, '.');
}

static bool is_usable_domain(text entry) { return is_domain(entry) || is_literal(entry) || is_wildcard(entry); }

// The local-part and the domain of an entry; false when it is no address. Whoever enters a * means a
// pattern, and there are none for addresses.
static bool split(text entry, text *local_part, text *domain) {
  size_t at = entry.len;
  while (at > 0 && entry.ptr[at - 1] != '@') at--;
  if (at < 2) return false;
  *local_part = part(entry, 0, at - 1);
  *domain = part(entry, at, entry.len);
  return !contains(*local_part, '*') && (is_domain(*domain) || is_literal(*domain));
}

static bool is_everyone(const identity *user) {
  return user->authorized_domains.len == 0 && user->authorized_senders.len == 0;
}

// An entry that is no domain and no address covers nothing, and still counts: a list of useless entries
// never means "everyone".
static bool covers(const identity *user, const address *sender) {
  if (is_everyone(user)) return true;
  for (size_t i = 0; i < user->authorized_domains.len; i++) {
    text entry = user->authorized_domains.ptr[i];
    if (is_wildcard(entry)) {
      text end = part(entry, 1, entry.len);
      if (sender->domain.len > end.len && ends_with(sender->domain, end)) return true;
    } else if (is_usable_domain(entry) && equal(entry, sender->domain)) {
      return true;
    }
  }
  for (size_t i = 0; i < user->authorized_senders.len; i++) {
    text local_part, domain;
    if (split(user->authorized_senders.ptr[i], &local_part, &domain) && equal(domain, sender->domain) &&
        equal_without_case(local_part, sender->local_part))
      return true;
  }
  return false;
}

// The unauthorized addresses among those that a message claims as its sender's.
typedef struct {
  size_t count;
  enum place first_place;
  const address *first;
  text named;
} claims;

static void add_claim(claims *found, enum place place, const address *claimed) {
  text separator = found->count == 0 ? TEXT("") : TEXT(", ");
  if (found->count == 0) {
    found->first_place = place;
    found->first = claimed;
  }
  // The sentence about them stays short.
  if (found->count++ < 3)
    found->named = joined(found->count == 1 ? TEXT("") : found->named, separator, claimed->full, TEXT(" ("),
                          PLACE_LABELS[place], TEXT(")"), NONE);
}

static claims unauthorized(const settings *now, const identity *user, const message *mail, const address *mail_from) {
  claims found = {0, FROM, NULL, NONE};
  addresses all[PLACES] = {mail->header_from, mail->header_sender, {(address *)mail_from, mail_from != NULL}};
  for (enum place place = FROM; place < PLACES; place++)
    for (size_t i = 0; now->check[place] && i < all[place].len; i++)
      if (!covers(user, &all[place].ptr[i])) add_claim(&found, place, &all[place].ptr[i]);
  return found;
}

// The rule of a message whose sender cannot be told; NONE when it can.
static text malformed_rule(const settings *now, const message *mail) {
  bool checks_header = now->check[FROM] || now->check[SENDER];
  if (mail->originators == GATEPOST_POLICY_TYPES_ORIGINATORS_UNREADABLE)
    return checks_header ? TEXT("originator-unreadable") : NONE;
  bool missing = mail->originators == GATEPOST_POLICY_TYPES_ORIGINATORS_MISSING || mail->header_from.len == 0;
  return missing && now->check[FROM] ? TEXT("originator-missing") : NONE;
}

// --- Verdicts ---

static verdict decided(uint8_t decision, text rule) {
  verdict answer = {.rule = owned(rule)};
  answer.decision.tag = decision;
  return answer;
}

static verdict pass(text rule) { return decided(GATEPOST_POLICY_TYPES_DECISION_PASS, rule); }
static verdict accept(text rule) { return decided(GATEPOST_POLICY_TYPES_DECISION_ACCEPT, rule); }

// 550 5.7.1 is delivery not authorized, 550 5.6.0 a malformed message (RFC 3463).
static verdict reject(text rule, uint16_t subject, uint16_t detail, text reply) {
  verdict answer = decided(GATEPOST_POLICY_TYPES_DECISION_REJECT, rule);
  answer.decision.val.reject.is_some = true;
  answer.decision.val.reject.val = (gatepost_policy_types_reply_t){550, {5, subject, detail}, reply};
  return answer;
}

static void warn(verdict *answer, text code, text summary) {
  size_t count = answer->alerts.len + 1;
  answer->alerts.ptr = realloc(answer->alerts.ptr, count * sizeof(alert));
  if (answer->alerts.ptr == NULL) abort();
  answer->alerts.ptr[answer->alerts.len++] = (alert){GATEPOST_POLICY_TYPES_SEVERITY_WARNING, owned(code), summary};
}

// The alert about unauthorized addresses.
static void warn_about(verdict *answer, const claims *found, const identity *user, text outcome) {
  text summary =
      joined(found->named, TEXT(" not authorized for user "), user->username, TEXT("; "), outcome, NONE);
  warn(answer, TEXT("sender-not-authorized"), summary);
}

static void tell_first(verdict *answer, const claims *found) {
  answer->facts.ptr = allocated(2 * sizeof(fact));
  answer->facts.len = 2;
  answer->facts.ptr[0] = (fact){owned(TEXT("x.place")), owned(PLACE_WORDS[found->first_place])};
  answer->facts.ptr[1] = (fact){owned(TEXT("x.address")), owned(found->first->full)};
}

// The usable entries, as many as a reply has room for.
static text allowance(const identity *user) {
  text shown = TEXT(""), local_part, domain;
  size_t count = 0;
  for (size_t i = 0; i < user->authorized_domains.len + user->authorized_senders.len && count < 5; i++) {
    bool is_of_domains = i < user->authorized_domains.len;
    text entry = is_of_domains ? user->authorized_domains.ptr[i]
                               : user->authorized_senders.ptr[i - user->authorized_domains.len];
    if (is_of_domains ? is_usable_domain(entry) : split(entry, &local_part, &domain))
      shown = joined(shown, count++ == 0 ? TEXT("") : TEXT(", "), entry, NONE);
  }
  return shown;
}

static verdict not_authorized(const claims *found, const identity *user, text outcome) {
  const char *words = WHEREABOUTS[found->first_place];
  text whereabouts = {(uint8_t *)words, strlen(words)}, allowed = allowance(user);
  text start = joined(TEXT("the sender address "), found->first->full, TEXT(" ("), whereabouts,
                      TEXT(") is not authorized for user "), user->username, NONE);
  text reply =
      allowed.len == 0
          ? joined(start, TEXT("; none of the user's authorized domains and senders is valid: ask the administrator "
                               "to correct them"), NONE)
          : joined(start, TEXT("; allowed: "), allowed, TEXT("; change it to one of these in your program's settings, "
                               "or ask your administrator to authorize it"), NONE);
  verdict answer = reject(TEXT("unauthorized-block"), 7, 1, reply);
  warn_about(&answer, found, user, outcome);
  tell_first(&answer, found);
  return answer;
}

// In block mode nobody may send it.
static verdict judge_malformed(const settings *now, const identity *user, text rule, const claims *found) {
  text outcome = now->block ? TEXT("the message was blocked") : TEXT("the message was sent");
  text what = equal(rule, TEXT("originator-missing")) ? TEXT("no From address")
                                                      : TEXT("a From or Sender field that cannot be read");
  text remedy = TEXT("; write each address as Your Name <you@example.com>, several with commas between");
  verdict answer = now->block ? reject(rule, 6, 0, joined(TEXT("The message has "), what, remedy, NONE)) : accept(rule);
  text about = joined(what, TEXT(" in a message of user "), user->username, TEXT("; "), outcome, NONE);
  warn(&answer, TEXT("originator-malformed"), about);
  if (found->count > 0)
    warn_about(&answer, found, user, outcome);
  else if (!is_everyone(user))
    warn(&answer, TEXT("sender-not-authorized"), joined(TEXT("a message without an authorized sender: "), about, NONE));
  return answer;
}

static text accepted_rule(const identity *user) { return is_everyone(user) ? TEXT("unrestricted") : TEXT("authorized"); }

static verdict judge_message(const settings *now, const identity *user, const message *mail, const address *mail_from) {
  claims found = unauthorized(now, user, mail, mail_from);
  text malformed = malformed_rule(now, mail);
  if (malformed.ptr != NULL) return judge_malformed(now, user, malformed, &found);
  if (found.count == 0) return accept(accepted_rule(user));
  if (now->block) return not_authorized(&found, user, TEXT("the message was blocked"));
  verdict answer = accept(TEXT("unauthorized-alert"));
  warn_about(&answer, &found, user, TEXT("the message was sent"));
  tell_first(&answer, &found);
  return answer;
}

// The reverse-path alone, before the upload: what the message stage would not block passes.
static verdict judge_sender(const settings *now, const identity *user, const address *sender) {
  if (sender == NULL) return pass(TEXT("null-sender"));
  if (!now->check[ENVELOPE]) return pass(TEXT("envelope-unchecked"));
  if (covers(user, sender)) return accept(accepted_rule(user));
  if (!now->block) return pass(TEXT("unauthorized-alert"));
  claims found = {0, FROM, NULL, NONE};
  add_claim(&found, ENVELOPE, sender);
  return not_authorized(&found, user, TEXT("the message was blocked before its upload"));
}

// --- How urgent ---

static priority more_urgent(priority a, priority b) { return a < b ? a : b; }

// The more urgent of the user's and the message's. What an earlier policy raised takes part, what it lowered
// stands.
static priority effective_priority(priority own, const priority *requested, priority before) {
  if (before > GATEPOST_POLICY_TYPES_PRIORITY_NORMAL) return before;
  priority effective = requested != NULL ? more_urgent(own, *requested) : own;
  return before < GATEPOST_POLICY_TYPES_PRIORITY_NORMAL ? more_urgent(effective, before) : effective;
}

// --- The interface ---

void exports_gatepost_policy_lifecycle_describe(exports_gatepost_policy_lifecycle_descriptor_t *descriptor) {
  descriptor->name = owned(TEXT("sender-rules-c"));
  descriptor->version = owned(TEXT("0.1.0"));
  descriptor->summary = owned(TEXT("The sender rules in C."));
  descriptor->settings_schema = owned(TEXT(SCHEMA));
}

void exports_gatepost_policy_lifecycle_validate_settings(text *document, problems *found) {
  *found = (problems){NULL, 0};
  read_settings(*document, found);
}

bool exports_gatepost_policy_message_stage_evaluate(exports_gatepost_policy_message_stage_request_t *request,
                                                    verdict *answer, text *error) {
  const identity *user = &request->session.identity;
  const message *mail = &request->message;
  settings now;
  if (!settings_in_force(request->settings, user, &now, error)) return false;
  const address *mail_from = request->envelope.mail_from.is_some ? &request->envelope.mail_from.val : NULL;
  *answer = judge_message(&now, user, mail, mail_from);
  if (answer->decision.tag == GATEPOST_POLICY_TYPES_DECISION_ACCEPT) {
    const priority *requested = mail->requested_priority.is_some ? &mail->requested_priority.val : NULL;
    answer->priority.is_some = true;
    answer->priority.val = effective_priority(user->default_priority, requested, request->effective_priority);
  }
  return true;
}

bool exports_gatepost_policy_envelope_stage_on_sender(exports_gatepost_policy_envelope_stage_request_t *request,
                                                      address *sender, verdict *answer, text *error) {
  const identity *user = &request->session.identity;
  settings now;
  if (!settings_in_force(request->settings, user, &now, error)) return false;
  *answer = judge_sender(&now, user, sender);
  return true;
}

bool exports_gatepost_policy_envelope_stage_on_recipient(exports_gatepost_policy_envelope_stage_request_t *request,
                                                         address *recipient, verdict *answer, text *error) {
  (void)request, (void)recipient, (void)error;
  *answer = pass(TEXT("recipient-unchecked"));
  return true;
}
