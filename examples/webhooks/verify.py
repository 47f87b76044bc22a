#!/usr/bin/env python3
"""Verifies the signature of a Gatepost webhook.

    GATEPOST_SECRET=... ./verify.py 't=1700000000,v1=...' < body     exit code 0: genuine, 1: not

or, in a program of yours: `import verify; verify.is_genuine(secret, signature, body)`, with the body's octets as they
arrived, before anything parses them. Answer with a status from 200 to 299 when the event is safe with you.
"""

import hashlib
import hmac
import os
import sys
import time

# Seconds that a post may be old: what somebody recorded cannot be sent again later.
TOLERANCE_S = 300


def is_genuine(secret, signature, body, now=None):
    """Whether `body` was signed with `secret` a short while ago."""
    parts = dict(part.split("=", 1) for part in signature.split(",") if "=" in part)
    signed_at = parts.get("t", "")
    if not signed_at.isdigit():
        return False
    if abs((time.time() if now is None else now) - int(signed_at)) > TOLERANCE_S:
        return False
    expected = hmac.new(secret.encode(), signed_at.encode() + b"." + body, hashlib.sha256)
    return hmac.compare_digest(expected.hexdigest(), parts.get("v1", ""))


if __name__ == "__main__":
    genuine = is_genuine(os.environ["GATEPOST_SECRET"], sys.argv[1], sys.stdin.buffer.read())
    print("genuine" if genuine else "not genuine")
    sys.exit(0 if genuine else 1)
