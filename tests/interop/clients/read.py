#!/usr/bin/env python3
"""Prints as JSON what a mail program would show of the message on standard input."""

import base64
import email
import email.policy
import json
import sys

mail = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
body = mail.get_body(("plain",))
attachments = [
    {"name": part.get_filename(), "content": base64.b64encode(part.get_payload(decode=True)).decode()}
    for part in mail.iter_attachments()
]
json.dump(
    {
        "from": str(mail["From"]),
        "return-path": str(mail["Return-Path"]),
        "subject": str(mail["Subject"]),
        "received": str(mail["Received"]),
        "x-priority": str(mail.get("X-Priority", "")),
        "text": body.get_content() if body else "",
        "attachments": attachments,
        "defects": [repr(defect) for part in mail.walk() for defect in part.defects],
    },
    sys.stdout,
)
