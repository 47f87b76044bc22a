#!/bin/bash
# Sends a message with msmtp, which takes a finished message as `sendmail` does.
# Every option here can stand in ~/.msmtprc instead; see `msmtprc` beside this file.
set -euo pipefail

arguments=(
  --host="$SMTP_HOST" --port="$SMTP_PORT" --timeout=60
  --tls=on --tls-trust-file="${SSL_CERT_FILE:-system}"
  --auth="${SMTP_AUTH:-on}" --user="$SMTP_USER" --passwordeval='printf "%s\n" "$SMTP_PASSWORD"'
  --from="$MAIL_FROM"
)
case ${SMTP_SECURITY:-starttls} in
  tls) arguments+=(--tls-starttls=off) ;;
  *) arguments+=(--tls-starttls=on) ;;
esac

# Text and file as the parts of a MIME message.
message() {
  local boundary="part-$RANDOM$RANDOM$RANDOM"
  printf '%s\n' "From: $MAIL_FROM" "To: $MAIL_TO" \
    "Subject: =?UTF-8?B?$(printf %s "$MAIL_SUBJECT" | base64 --wrap=0)?=" \
    "Date: $(date --rfc-email)" "MIME-Version: 1.0"
  [[ -z ${MAIL_URGENT:-} ]] || echo "X-Priority: 1"
  [[ -z ${MAIL_ATTACHMENT:-} ]] || printf '%s\n' "Content-Type: multipart/mixed; boundary=\"$boundary\"" "" "--$boundary"
  printf '%s\n' "Content-Type: text/plain; charset=utf-8" "Content-Transfer-Encoding: base64" ""
  base64 <<<"$MAIL_TEXT"
  [[ -n ${MAIL_ATTACHMENT:-} ]] || return 0
  printf '%s\n' "--$boundary" "Content-Type: application/octet-stream" "Content-Transfer-Encoding: base64" \
    "Content-Disposition: attachment; filename=\"$(basename "$MAIL_ATTACHMENT")\"" ""
  base64 "$MAIL_ATTACHMENT"
  echo "--$boundary--"
}

message | msmtp "${arguments[@]}" -- "$MAIL_TO"
