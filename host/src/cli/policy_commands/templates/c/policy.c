// Refuses messages whose subject is too short.

#include "full_message_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Characters that a subject has at least.
#define MIN_SUBJECT 1

typedef full_message_policy_string_t string_t;
typedef exports_gatepost_policy_message_stage_request_t request_t;
typedef exports_gatepost_policy_message_stage_verdict_t verdict_t;

// Everything that is returned is freed by the caller, so texts are copies on the heap.
static string_t text(const char *chars) {
  string_t copy;
  full_message_policy_string_dup(&copy, chars);
  return copy;
}

void exports_gatepost_policy_lifecycle_describe(exports_gatepost_policy_lifecycle_descriptor_t *ret) {
  ret->name = text("{{name}}");
  ret->version = text("0.1.0");
  ret->summary = text("Refuses messages whose subject is too short.");
  ret->settings_schema = text("{\"type\": \"object\", \"additionalProperties\": false}");
}

// This policy has no settings. To read some, add a JSON parser that needs no files.
void exports_gatepost_policy_lifecycle_validate_settings(
    string_t *settings, exports_gatepost_policy_lifecycle_list_problem_t *ret) {
  bool is_empty = settings->len == 2 && memcmp(settings->ptr, "{}", 2) == 0;
  full_message_policy_string_free(settings);
  ret->len = is_empty ? 0 : 1;
  ret->ptr = NULL;
  if (!is_empty) {
    ret->ptr = malloc(sizeof *ret->ptr);
    ret->ptr->path = text("");
    ret->ptr->message = text("unknown field; there are no settings");
  }
}

// Characters of UTF-8, blanks at both ends left out.
static size_t length(string_t subject) {
  size_t count = 0, blanks = 0;
  for (size_t at = 0; at < subject.len; at++) {
    bool continues = (subject.ptr[at] & 0xC0) == 0x80;
    if (subject.ptr[at] == ' ') {
      blanks += count > 0;
    } else if (!continues) {
      count += blanks + 1;
      blanks = 0;
    }
  }
  return count;
}

static void log_who(const request_t *request, size_t count) {
  char line[400];
  int used = 0;
  for (size_t at = 0; at < request->message.header_from.len && used < 300; at++) {
    string_t address = request->message.header_from.ptr[at].full;
    int shown = address.len > 90 ? 90 : (int)address.len;
    used += snprintf(line + used, 100, "%s%.*s", at > 0 ? ", " : "", shown, (const char *)address.ptr);
  }
  snprintf(line + used, sizeof line - used, " wrote %zu characters", count);
  string_t message;
  full_message_policy_string_set(&message, line);
  gatepost_policy_log_write(GATEPOST_POLICY_LOG_LEVEL_INFO, &message);
}

bool exports_gatepost_policy_message_stage_evaluate(request_t *request, verdict_t *ret, string_t *err) {
  (void)err; // Returning false with a text here says that the policy cannot decide.
  memset(ret, 0, sizeof *ret);
  size_t count = length(request->message.subject);
  if (count >= MIN_SUBJECT) {
    ret->decision.tag = GATEPOST_POLICY_TYPES_DECISION_PASS;
    ret->rule = text("subject");
  } else {
    log_who(request, count);
    char reply[100];
    const char *plural = MIN_SUBJECT == 1 ? "" : "s";
    snprintf(reply, sizeof reply, "the subject is too short; write one of at least %d character%s", MIN_SUBJECT, plural);
    ret->decision.tag = GATEPOST_POLICY_TYPES_DECISION_REJECT;
    ret->decision.val.reject.is_some = true;
    ret->decision.val.reject.val.code = 550;
    // RFC 3463: 5.7.1 is a refusal by policy.
    ret->decision.val.reject.val.enhanced = (gatepost_policy_types_enhanced_code_t){5, 7, 1};
    ret->decision.val.reject.val.text = text(reply);
    ret->rule = text("subject-too-short");
  }
  exports_gatepost_policy_message_stage_request_free(request);
  return true;
}
