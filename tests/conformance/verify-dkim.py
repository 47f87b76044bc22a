"""Verifies every DKIM signature of the message on standard input with dkimpy, a verifier that is not ours.

Its argument is the DNS: a JSON list of pairs, a name and the text of its TXT record. It prints a line for each
signature: selector, algorithm, and good or bad.
"""

import json
import re
import sys

import dkim

records = {name: text.encode() for name, text in json.loads(sys.argv[1])}
message = sys.stdin.buffer.read()


def look_up(name, timeout=5):
    return records.get(name.decode().rstrip("."))


verifier = dkim.DKIM(message)
signatures = [value for name, value in verifier.headers if name.lower() == b"dkim-signature"]
for index, signature in enumerate(signatures):
    tag = lambda name: re.search(rb"\b%s=([^;\s]+)" % name, signature).group(1).decode()
    try:
        verdict = dkim.DKIM(message).verify(index, dnsfunc=look_up)
    except dkim.DKIMException as error:
        verdict = False
        print(error, file=sys.stderr)
    print(tag(b"s"), tag(b"a"), "good" if verdict else "bad")
