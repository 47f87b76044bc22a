#!/bin/bash
# Sends a message with swaks and shows the whole dialogue, without the password.
set -euo pipefail

arguments=(
  --server "$SMTP_HOST" --port "$SMTP_PORT" --tls-verify
  --auth "${SMTP_AUTH:-}" --auth-user "$SMTP_USER" --auth-hide-password
  --from "$MAIL_FROM" --to "$MAIL_TO"
  # Header fields are ASCII; this is how they carry other letters (RFC 2047), up to 45 octets in one word.
  --header "Subject: =?UTF-8?B?$(printf %s "$MAIL_SUBJECT" | base64 --wrap=0)?="
  --attach-type 'text/plain; charset=utf-8' --attach-body "$MAIL_TEXT"
)
case ${SMTP_SECURITY:-starttls} in
  tls) arguments+=(--tls-on-connect) ;;
  *) arguments+=(--tls) ;;
esac
[[ -z ${MAIL_URGENT:-} ]] || arguments+=(--add-header "X-Priority: 1")
[[ -z ${MAIL_ATTACHMENT:-} ]] || arguments+=(
  --attach-type application/octet-stream --attach-name "$(basename "$MAIL_ATTACHMENT")" --attach "@$MAIL_ATTACHMENT"
)

# The password goes through the environment: arguments are visible to everyone on the machine.
export SWAKS_OPT_auth_password=$SMTP_PASSWORD
exec swaks "${arguments[@]}"
