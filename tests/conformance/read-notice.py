"""Reads the notification on standard input with Python's own email package, and prints what it finds as JSON."""

import email
import email.policy
import json
import re
import sys

octets = sys.stdin.buffer.read()
message = email.message_from_bytes(octets, policy=email.policy.default)
explanation, status, returned = message.iter_parts()


def fields(block):
    unfolded = re.sub(r"\r\n[ \t]+", " ", block)
    pairs = (line.split(":", 1) for line in unfolded.splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


# The package knows reports in ASCII alone (RFC 3464), and takes those of RFC 6533 for messages.
if status.get_content_type() == "message/delivery-status":
    blocks = [dict((name.lower(), str(value).strip()) for name, value in one.items()) for one in status.get_payload()]
else:
    part = octets.split(b"--" + message.get_boundary().encode())[2].decode()
    blocks = [fields(block) for block in part.split("\r\n\r\n")[1:] if block.strip()]
defects = [type(defect).__name__ for part in message.walk() for defect in part.defects]
json.dump(
    {
        "type": message.get_content_type(),
        "report": message.get_param("report-type"),
        "to": str(message["to"]),
        "auto": str(message["auto-submitted"]),
        "explanation": explanation.get_content(),
        "status": status.get_content_type(),
        "message": blocks[0],
        "recipients": blocks[1:],
        "returned": returned.get_content_type(),
        "defects": defects,
    },
    sys.stdout,
)
