#!/usr/bin/env python3
"""Sends a message with Python's own smtplib. The settings come from the environment."""

import mimetypes
import os
import smtplib
import ssl
import sys
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

setting = os.environ


def message():
    mail = EmailMessage()
    mail["From"] = setting["MAIL_FROM"]
    mail["To"] = setting["MAIL_TO"]
    mail["Subject"] = setting["MAIL_SUBJECT"]
    mail["Date"] = formatdate(localtime=True)
    if setting.get("MAIL_URGENT"):
        mail["X-Priority"] = "1"
    mail.set_content(setting["MAIL_TEXT"])
    if setting.get("MAIL_ATTACHMENT"):
        file = Path(setting["MAIL_ATTACHMENT"])
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        maintype, subtype = kind.split("/")
        mail.add_attachment(file.read_bytes(), maintype=maintype, subtype=subtype, filename=file.name)
    return mail


def connect():
    host, port = setting["SMTP_HOST"], int(setting["SMTP_PORT"])
    # Verifies the certificate, which smtplib does not do without a context.
    context = ssl.create_default_context()
    if setting.get("SMTP_SECURITY") == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=60, context=context)
    client = smtplib.SMTP(host, port, timeout=60)
    client.starttls(context=context)
    return client


try:
    with connect() as client:
        client.login(setting["SMTP_USER"], setting["SMTP_PASSWORD"])
        client.send_message(message())
except smtplib.SMTPResponseException as error:
    # A refused sender, a wrong password: the server's reply says why.
    sys.exit(f"not sent: {error.smtp_code} {error.smtp_error.decode(errors='replace')}")
except smtplib.SMTPRecipientsRefused as error:
    for recipient, (code, reply) in error.recipients.items():
        print(f"not sent to {recipient}: {code} {reply.decode(errors='replace')}", file=sys.stderr)
    sys.exit(1)
