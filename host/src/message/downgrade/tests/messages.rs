//! Messages as clients and other systems make them.

/// Lines end with LF here; `{NUL}`, `{CR}`, `{LF}` and `{LATIN}` are octets that no line of text has.
pub const MESSAGES: [(&str, &str); 12] = [
    (
        "plain text",
        "From: Anna <anna@a.example>\nTo: bob@b.example\nSubject: Gr\u{fc}\u{df}e\n\nSch\u{f6}ne Gr\u{fc}\u{df}e\n.\nFrom here\n",
    ),
    (
        "text and attachments",
        "From: \"J\u{fc}rgen M\u{fc}ller\" <j@b\u{fc}cher.example>\nTo: A <a@b.example>, \u{4e2d}\u{6587} <c@d.example>\n\
         MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"==x\"\nContent-Transfer-Encoding: 8bit\n\n\
         Preamble\n--==x\nContent-Type: multipart/alternative; boundary=y\n\n--y\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\u{fc}ber  \n\t\n=20\n--y\n\
         Content-Type: text/html; charset=utf-8\n\n<p>\u{fc}ber</p>\n\n--y--\n--==x\n\
         Content-Type: image/png; name=\"K\u{f6}ln.png\"\nContent-Transfer-Encoding: base64\n\
         Content-Disposition: attachment; filename=\"K\u{f6}ln.png\"\n\niVBORw0KGgo=\n--==x--\nEpilogue\n",
    ),
    (
        "a part without a header",
        "Content-Type: multipart/mixed; boundary=x\n\n--x\n\n\u{fc}\n--x\n\nplain\n--x--\n",
    ),
    (
        "parts without anything",
        "Subject: \u{fc}\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\n--x\n\n\n--x--\n",
    ),
    (
        "a multipart that never ends",
        "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain; charset=utf-8\n\n\u{fc}\n\u{fc}\n",
    ),
    (
        "a forwarded message",
        "Subject: Fwd\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/rfc822\n\
         Content-Transfer-Encoding: 8bit\n\nFrom: Eve <eve@e.example>\nSubject: \u{fc}\n\
         Content-Type: text/plain; charset=utf-8\n\ninner \u{fc}\n--x--\n",
    ),
    (
        "a digest",
        "Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: one \u{fc}\nContent-Type: text/plain; charset=utf-8\n\n\u{fc}\n--x--\n",
    ),
    (
        "a charset of another time",
        "Content-Type: text/plain; charset=iso-8859-1\n\nna{LATIN}ve\n",
    ),
    (
        "long lines",
        "Content-Type: text/plain; charset=utf-8\n\n{LONG}\u{fc}{LONG}\n",
    ),
    (
        "binary parts",
        "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: application/octet-stream\n\
         Content-Transfer-Encoding: binary\n\na{NUL}b{LF}--z{LF}{CR}{LATIN}{CR}\n--x\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: binary\n\none{LF}two\n--x--\n",
    ),
    (
        "octets that have no place in their encoding",
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\na=3Db \u{fc}=\nc\n",
    ),
    (
        "a notification",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nm\u{fc}ller@b.example\n--x\n\
         Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit\n\nFinal-Recipient: utf-8; m\u{fc}ller@b.example\n--x\n\
         Content-Type: message/global-headers\nContent-Transfer-Encoding: 8bit\n\nTo: m\u{fc}ller@b.example\n--x--\n",
    ),
];

/// The octets of one.
pub fn message(text: &str) -> Vec<u8> {
    let mut octets = text
        .replace('\n', "\r\n")
        .replace("{LONG}", &"x".repeat(1500))
        .into_bytes();
    for (name, octet) in [
        ("{NUL}", 0),
        ("{CR}", b'\r'),
        ("{LF}", b'\n'),
        ("{LATIN}", 0xef),
    ] {
        let mut replaced = Vec::new();
        let mut rest = octets.as_slice();
        while let Some(at) = memchr::memmem::find(rest, name.as_bytes()) {
            replaced.extend_from_slice(&rest[..at]);
            replaced.push(octet);
            rest = &rest[at + name.len()..];
        }
        replaced.extend_from_slice(rest);
        octets = replaced;
    }
    octets
}
