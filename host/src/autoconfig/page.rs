//! The page for people: which server, which port, which encryption.

use super::Relay;
use super::xml::{Element, element, leaf};

/// A page in plain HTML, without scripts and styles.
pub fn page(relay: &Relay) -> String {
    let head = element("head")
        .child(element("meta").attribute("charset", "utf-8"))
        .child(leaf("title", &relay.display_name))
        .child(
            element("meta")
                .attribute("name", "viewport")
                .attribute("content", "width=device-width"),
        );
    let body = element("body")
        .child(leaf("h1", &relay.display_name))
        .child(leaf(
            "p",
            "Most mail programs find these settings by themselves. To enter them by hand:",
        ))
        .child(settings(relay))
        .child(leaf(
            "p",
            "The user name and the password are the ones you were given for sending.",
        ));
    element("html")
        .attribute("lang", "en")
        .child(head)
        .child(body)
        .to_html()
}

fn settings(relay: &Relay) -> Element {
    let rows = relay.ports.iter().map(|port| {
        let cells = [
            relay.hostname.clone(),
            port.number.to_string(),
            port.encryption.name().to_owned(),
        ];
        element("tr").children(cells.map(|cell| leaf("td", cell)))
    });
    let header = ["Outgoing server (SMTP)", "Port", "Encryption"].map(|cell| leaf("th", cell));
    element("table")
        .child(element("thead").child(element("tr").children(header)))
        .child(element("tbody").children(rows))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::relay;
    use super::*;

    #[test]
    fn the_page_names_server_ports_and_encryption_and_runs_nothing() {
        let text = page(&relay());
        for part in [
            "relay.example.com",
            "587",
            "465",
            "STARTTLS",
            "Mail &amp; &lt;More&gt;",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(
            !text.contains("<script") && !text.contains("style"),
            "{text}"
        );
        assert!(text.starts_with("<!DOCTYPE html>"), "{text}");
    }
}
