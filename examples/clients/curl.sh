#!/bin/bash
# Sends a message with curl. The settings come from the environment; see the README beside this file.
set -euo pipefail

case ${SMTP_SECURITY:-starttls} in
  tls) server=smtps://$SMTP_HOST:$SMTP_PORT ;;
  *) server=smtp://$SMTP_HOST:$SMTP_PORT ;;
esac

arguments=(
  --silent --show-error --verbose --ssl-reqd
  --mail-from "$MAIL_FROM" --mail-rcpt "$MAIL_TO"
  --header "From: $MAIL_FROM" --header "To: $MAIL_TO"
  # Header fields are ASCII; this is how they carry other letters (RFC 2047), up to 45 octets in one word.
  --header "Subject: =?UTF-8?B?$(printf %s "$MAIL_SUBJECT" | base64 --wrap=0)?="
  --header "Date: $(date --rfc-email)"
  --form '=<-;type=text/plain; charset=utf-8;encoder=quoted-printable'
)
[[ -z ${MAIL_URGENT:-} ]] || arguments+=(--header "X-Priority: 1")
[[ -z ${MAIL_ATTACHMENT:-} ]] || arguments+=(--form "=@$MAIL_ATTACHMENT;encoder=base64")
[[ -z ${SMTP_AUTH:-} ]] || arguments+=(--login-options "AUTH=${SMTP_AUTH^^}")

# The password goes through a file descriptor: arguments are visible to everyone on the machine.
login() {
  local value=$SMTP_USER:$SMTP_PASSWORD
  value=${value//\\/\\\\}
  printf 'user = "%s"\n' "${value//\"/\\\"}"
}

if dialogue=$(curl "${arguments[@]}" --config <(login) "$server" <<<"$MAIL_TEXT" 2>&1); then
  grep '^< 250 2.0.0' <<<"$dialogue" | tail -n 1
else
  status=$?
  # curl's own message is only a number, such as `MAIL failed: 550`: the reason is the server's last reply.
  grep -E "^(< [45][0-9][0-9]|curl:)" <<<"$dialogue" >&2 || true
  exit "$status"
fi
