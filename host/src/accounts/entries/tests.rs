//! What the `;` lists become and what people are told about them.

use super::*;

#[test]
fn domain_entries_are_a_labels_where_valid_and_verbatim_where_not() {
    let cases: [(&str, &[&str]); 24] = [
        ("", &[]),
        (" ; ;\r\n;", &[]),
        ("example.com", &["example.com"]),
        ("Example.COM.", &["example.com"]),
        ("a.example;b.example", &["a.example", "b.example"]),
        (
            " a.example ;\r\n b.example ; ; ",
            &["a.example", "b.example"],
        ),
        ("a.example;;b.example;", &["a.example", "b.example"]),
        ("b\u{fc}cher.example", &["xn--bcher-kva.example"]),
        ("*.example.com", &["*.example.com"]),
        ("*.B\u{dc}CHER.Example.", &["*.xn--bcher-kva.example"]),
        ("localhost", &["localhost"]),
        ("[192.0.2.1]", &["[192.0.2.1]"]),
        ("a.example, b.example", &["a.example, b.example"]),
        ("a.example\nb.example", &["a.example\nb.example"]),
        ("https://Example.com/", &["https://Example.com/"]),
        ("@Example.com", &["@Example.com"]),
        ("User@Example.com", &["User@Example.com"]),
        ("*", &["*"]),
        ("*.COM", &["*.COM"]),
        ("*.com.", &["*.com."]),
        ("*.*.example.com", &["*.*.example.com"]),
        ("*example.com", &["*example.com"]),
        ("*.[192.0.2.1]", &["*.[192.0.2.1]"]),
        (
            "* .example.com; x.example",
            &["* .example.com", "x.example"],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(domain_entries(text), expected, "{text:?}");
    }
}

#[test]
fn sender_entries_are_normal_where_valid_and_verbatim_where_not() {
    let cases: [(&str, &[&str]); 19] = [
        ("", &[]),
        ("User@Example.COM.", &["User@example.com"]),
        ("\"user\"@example.com", &["user@example.com"]),
        (
            "a+b@example.com; c@d.example",
            &["a+b@example.com", "c@d.example"],
        ),
        (
            "\"a;b\"@example.com;c@d.example",
            &["\"a;b\"@example.com", "c@d.example"],
        ),
        (
            "c@d.example; \"a;\\\";b\"@example.com",
            &["c@d.example", "\"a;\\\";b\"@example.com"],
        ),
        ("\"a;b@example.com", &["\"a", "b@example.com"]),
        ("\"a\"; b@example.com", &["\"a\"", "b@example.com"]),
        ("\"a\";\"b\"@example.com", &["\"a\"", "b@example.com"]),
        ("\"a\"@", &["\"a\"@"]),
        ("\"a;b\"@;c@d.example", &["\"a;b\"@", "c@d.example"]),
        ("cafe\u{301}@example.com", &["caf\u{e9}@example.com"]),
        ("a@b\u{fc}cher.example", &["a@xn--bcher-kva.example"]),
        ("*@example.com", &["*@example.com"]),
        ("*@Example.com", &["*@Example.com"]),
        ("<a@B>", &["<a@B>"]),
        ("Name <a@B>", &["Name <a@B>"]),
        ("Example.com", &["Example.com"]),
        ("a@b.example, C@D.example", &["a@b.example, C@D.example"]),
    ];
    for (text, expected) in cases {
        assert_eq!(sender_entries(text), expected, "{text:?}");
    }
}

/// What the first problem says, `problem; hint`.
fn told(result: Result<(), Vec<EntryProblem>>) -> String {
    let problems = result.expect_err("there is a problem");
    let EntryProblem { problem, hint, .. } = &problems[0];
    format!("{problem}; {hint}")
}

#[test]
fn problems_with_domains_are_explained() {
    let cases = [
        (
            "a.example, b.example",
            "has a `,` where a `;` belongs; separate entries with `;`: `a.example; b.example`",
        ),
        (",", "has a `,` where a `;` belongs; remove the `,`"),
        (
            "a.example,",
            "has a `,` where a `;` belongs; separate entries with `;`: `a.example`",
        ),
        (
            "a.example b.example",
            "has a space or a line break in it; separate entries with `;`: `a.example; b.example`",
        ),
        (
            "a.example\nb.example",
            "has a space or a line break in it; separate entries with `;`: `a.example; b.example`",
        ),
        (
            "https://example.com/x",
            "is a URL, not a domain; write `example.com`",
        ),
        (
            "http://www.example.com",
            "is a URL, not a domain; write `example.com`",
        ),
        (
            "https://user:pw@example.com:80/",
            "is a URL, not a domain; write `example.com`",
        ),
        (
            "example.com/",
            "is a URL, not a domain; write `example.com`",
        ),
        (
            "@example.com",
            "is not a domain: it has an `@`; write `example.com`",
        ),
        (
            "*@example.com",
            "is not a domain: it has an `@`; write `example.com`",
        ),
        (
            "a@example.com",
            "is an address, not a domain; move it to the authorized senders, or write `example.com` for every address of the domain",
        ),
        (
            "Name <a@example.com>",
            "is an address, not a domain; move it to the authorized senders, or write `example.com` for every address of the domain",
        ),
        (
            "*",
            "would mean every domain; leave both fields empty to authorize every sender",
        ),
        (
            "*.com",
            "would mean a whole top-level domain; name the domain: `example.com`, or `*.example.com` for what is below it",
        ),
        (
            "*example.com",
            "has a `*` in a place where it means nothing; only `*.` at the beginning is understood: `*.example.com`",
        ),
        (
            "mail.*.example.com",
            "has a `*` in a place where it means nothing; only `*.` at the beginning is understood: `*.example.com`",
        ),
        (
            ".example.com",
            "is not a domain; write `example.com`, or `*.example.com` for what is below it",
        ),
        ("<example.com>", "is not a domain; write `example.com`"),
        (
            "exa!mple",
            "is not a domain; write a domain as in `example.com`",
        ),
        (
            "example..com",
            "is not a domain; write a domain as in `example.com`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(told(check_domains(text)), expected, "{text:?}");
    }
}

#[test]
fn problems_with_senders_are_explained() {
    let cases = [
        (
            "a@b.example, c@d.example",
            "has a `,` where a `;` belongs; separate entries with `;`: `a@b.example; c@d.example`",
        ),
        (
            "a@b.example c@d.example",
            "has a space or a line break in it; separate entries with `;`: `a@b.example; c@d.example`",
        ),
        ("<a@b.example>", "has angle brackets; write `a@b.example`"),
        (
            "Name <a@b.example>",
            "has a name before the address; write `a@b.example`",
        ),
        (
            "Name <a>",
            "has a name before the address; write an address as in `user@example.com`",
        ),
        (
            "mailto:a@b.example",
            "is a URL, not an address; write `a@b.example`",
        ),
        (
            "@example.com",
            "is not an address; write `example.com` in the authorized domains",
        ),
        (
            "*@example.com",
            "is not an address; write `example.com` in the authorized domains",
        ),
        (
            "info*@example.com",
            "has a `*`, and addresses have no patterns; write each address in full, or its domain in the authorized domains",
        ),
        (
            "a@*.example.com",
            "has a `*`, and addresses have no patterns; write each address in full, or its domain in the authorized domains",
        ),
        (
            "example.com",
            "is a domain, not an address; write `example.com` in the authorized domains",
        ),
        (
            "*.example.com",
            "is a domain, not an address; write `*.example.com` in the authorized domains",
        ),
        (
            "user",
            "is not an address: it has no `@`; write an address as in `user@example.com`",
        ),
        (
            "user@",
            "has no domain after its `@`; write an address as in `user@example.com`",
        ),
        (
            "a..b@example.com",
            "is not an address; write it as in `user@example.com`; anything unusual before the `@` needs quotes",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(told(check_senders(text)), expected, "{text:?}");
    }
}

#[test]
fn what_is_valid_passes_the_check() {
    for text in [
        "",
        " ; ",
        "example.com.; *.example.com ;\n b\u{fc}cher.example;",
        "www.example.com",
    ] {
        assert_eq!(check_domains(text), Ok(()), "{text:?}");
    }
    for text in [
        "",
        "a@b.example; \"a,b c\"@d.example;",
        "\"a;b\"@example.com",
    ] {
        assert_eq!(check_senders(text), Ok(()), "{text:?}");
    }
}

#[test]
fn every_problem_says_where_it_is() {
    let problems = check_domains("a.example;; *;b.example;@c.example").expect_err("two are wrong");
    let places: Vec<usize> = problems.iter().map(|problem| problem.position).collect();
    assert_eq!(places, [2, 4]);
    assert_eq!(
        problems[0].to_string(),
        "entry 2, `*`, would mean every domain; leave both fields empty to authorize every sender"
    );
}

#[test]
fn what_is_shown_of_an_entry_is_short_and_of_one_line() {
    let text = ["@\x1b[2J\n", &"x".repeat(200)].concat();
    let problems = check_domains(&text).expect_err("it is not a domain");
    assert!(problems[0].entry.starts_with("@ [2J x"));
    assert_eq!(problems[0].entry.chars().count(), 81);
    assert!(!problems[0].to_string().contains(char::is_control));
}

#[test]
fn an_endless_text_is_refused() {
    let text = "a.example;".repeat(MAX_TEXT_OCTETS / 10 + 1);
    assert!(told(check_domains(&text)).starts_with("begins a text of 65540 octets"));
}

#[test]
fn the_name_of_a_web_site_is_advised_against() {
    let advice = advise_domains("example.com; www.example.com; www.com");
    assert_eq!(advice.len(), 1);
    assert_eq!(advice[0].position, 2);
    assert_eq!(advice[0].hint, "mail is usually from `example.com`");
}
