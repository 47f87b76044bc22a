#!/usr/bin/env python3
"""Sends a message with Thunderbird: opens its compose window, presses Send, and prints every dialog that appears.

Thunderbird runs without a screen (--headless) and is driven by Marionette, its remote control. The profile is new,
with the preferences of the recipe in examples/clients.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECIPE = HERE.parents[2] / "examples/clients/thunderbird-user.js"
# Seconds until Thunderbird must have opened its port, and until a message must have been sent.
START_S = 60
SEND_S = 60

setting = os.environ


class Marionette:
    """Speaks Marionette's protocol: JSON arrays, each after its length and a colon."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SEND_S + 10)
        self.input = self.socket.makefile("rb")
        self.number = 0
        self.receive()

    def receive(self):
        length = b""
        while (octet := self.input.read(1)) != b":":
            if not octet:
                sys.exit("Thunderbird ended")
            length += octet
        return json.loads(self.input.read(int(length)))

    def call(self, command, **parameters):
        self.number += 1
        text = json.dumps([0, self.number, command, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, value = self.receive()
        if error:
            sys.exit(f"{command}: {error['message']}\n{error.get('stacktrace', '')}")
        return value


def preferences(marionette_port):
    """The recipe's, with the settings of this run, and what keeps a test quiet."""
    text = RECIPE.read_text()
    values = {
        "mail.identity.id1.useremail": setting["MAIL_FROM"],
        "mail.smtpserver.smtp1.hostname": setting["SMTP_HOST"],
        "mail.smtpserver.smtp1.port": int(setting["SMTP_PORT"]),
        "mail.smtpserver.smtp1.username": setting["SMTP_USER"],
        "mail.smtpserver.smtp1.try_ssl": 3 if setting["SMTP_SECURITY"] == "tls" else 2,
    }
    for name, value in values.items():
        text, count = re.subn(rf'(user_pref\("{re.escape(name)}", ).*(\);)', rf"\g<1>{json.dumps(value)}\2", text)
        if count != 1:
            sys.exit(f"{RECIPE.name} sets {name} {count} times")
    quiet = {
        "marionette.port": marionette_port,
        "app.update.auto": False,
        "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
        "mail.provider.suppress_dialog_on_startup": True,
        "mail.rights.version": 1,
        "mail.spotlight.firstRunDone": True,
        "mail.winsearch.firstRunDone": True,
        "mailnews.start_page.enabled": False,
        "mailnews.start_page_override.mstone": "ignore",
        "mail.shell.checkDefaultClient": False,
        "toolkit.telemetry.enabled": False,
    }
    return text + "".join(f'user_pref("{name}", {json.dumps(value)});\n' for name, value in quiet.items())


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(profile, port):
    (profile / "user.js").write_text(preferences(port))
    command = ["thunderbird", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote"]
    # Messages on their way out have names of their own only within one folder for temporary files.
    environment = {**setting, "MOZ_HEADLESS": "1", "HOME": str(profile), "TMPDIR": str(profile)}
    with open(profile / "output", "wb") as output:
        return subprocess.Popen(
            [*command, "--profile", str(profile)],
            env=environment,
            stdout=output,
            stderr=output,
        )


def connect(process, port):
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit("Thunderbird ended at once")
        try:
            return Marionette(port)
        except ConnectionRefusedError:
            time.sleep(0.1)
    sys.exit("Thunderbird did not open Marionette's port")


def drive(marionette):
    marionette.call("WebDriver:NewSession", acceptInsecureCerts=True)
    marionette.call("Marionette:SetContext", value="chrome")
    marionette.call("WebDriver:SetTimeouts", script=SEND_S * 1000)
    mail = {
        "server": f"smtp://{setting['SMTP_HOST']}",
        "username": setting["SMTP_USER"],
        "password": setting["SMTP_PASSWORD"],
        "to": setting["MAIL_TO"],
        "subject": setting["MAIL_SUBJECT"],
        "text": setting["MAIL_TEXT"],
        "attachment": setting.get("MAIL_ATTACHMENT", ""),
        "priority": "Highest" if setting.get("MAIL_URGENT") else "",
    }
    script = (HERE / "thunderbird.js").read_text()
    return marionette.call("WebDriver:ExecuteAsyncScript", script=script, args=[mail], sandbox="system")["value"]


# Whoever ends this script ends Thunderbird with it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
profile = Path(tempfile.mkdtemp(prefix="thunderbird-"))
port = free_port()
process = start(profile, port)
try:
    result = drive(connect(process, port))
finally:
    process.kill()
    process.wait()
    shutil.rmtree(profile, ignore_errors=True)

for dialog in result["dialogs"]:
    print(dialog)
sys.exit(0 if result["sent"] else 1)
