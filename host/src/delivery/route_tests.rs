//! Which way mail takes, and which configurations have none.

use super::*;
use crate::secret::Secret;

fn read(text: &str) -> Config {
    toml::from_str(text).expect(text)
}

const SMARTHOST: &str = "mode = 'smarthost'\nsmarthost = { host = '127.0.0.1', tls = 'none' }\n";

#[test]
fn contradictions_are_found_before_anything_is_sent() {
    for (more, words) in [
        ("mode = 'smarthost'", "smarthost is not set"),
        (
            "mode = 'smarthost'\nsmarthost = { host = 'h', password = 'x' }",
            "or neither",
        ),
        (
            "mode = 'smarthost'\nsmarthost = [{ host = 'h', tls = 'none' }, { host = 'i', username = 'x' }]",
            "or neither",
        ),
        ("per-destination = 0", "per-destination"),
        ("max-mx-hosts = 0", "max-mx-hosts"),
        ("hello-name = \"a\\r\\nb\"", "EHLO"),
        ("[[route]]\nname = 'a b'", "name of a route"),
        (
            "[[route]]\nname = 'a'\n[[route]]\nname = 'a'",
            "another route",
        ),
        (
            "[[route]]\nname = 'a'\ndomains = ['x.example']\n[[route]]\nname = 'b'\ndomains = ['X.example']",
            "both have the domain x.example",
        ),
        (
            "mode = 'mx'\n[dns]\ntrust-anchor-file = '/nowhere'",
            "trust-anchor-file",
        ),
    ] {
        let error = Delivery::new(&read(more), "relay.example").expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn no_password_is_in_what_is_logged() {
    let mut config = read(SMARTHOST);
    config.smarthost.0[0].username = Some("relay".to_owned());
    config.smarthost.0[0].password = Some(Secret::new("hunter2".to_owned()));
    let delivery = Delivery::new(&config, "relay.example").expect("valid");
    assert!(!format!("{delivery:?}").contains("hunter2"));
}

#[test]
fn a_chosen_route_comes_before_that_of_the_domain_and_that_before_the_rest() {
    let text = format!(
        "{SMARTHOST}dns = {{ servers = ['127.0.0.1'], dnssec = 'off' }}\n\
         [[route]]\nname = 'near'\ndomains = ['*.corp.example']\nsmarthost = {{ host = 'h', tls = 'none' }}\n\
         [[route]]\nname = 'nearer'\ndomains = ['*.eu.corp.example']\nsmarthost = {{ host = 'h', tls = 'none' }}\n\
         [[route]]\nname = 'direct'\ndomains = ['Straße.example']\n"
    );
    let delivery = Delivery::new(&read(&text), "relay.example").expect("valid");
    let goes = |chosen: Option<&str>, to: &str| {
        let way = Way {
            route: chosen.map(str::to_owned),
            ..Way::default()
        };
        delivery.destination(&way, &to.parse().expect("a mailbox"))
    };
    let route = |name: &str| Destination::Route(name.to_owned());
    assert_eq!(goes(None, "a@elsewhere.example"), Destination::Smarthost);
    assert_eq!(goes(None, "a@x.corp.example"), route("near"));
    assert_eq!(goes(None, "a@x.EU.corp.example"), route("nearer"));
    assert_eq!(goes(Some("near"), "a@elsewhere.example"), route("near"));
    assert_eq!(goes(Some("gone"), "a@x.corp.example"), route("gone"));
    let direct = Destination::RouteDomain {
        route: "direct".to_owned(),
        domain: "xn--strae-oqa.example".to_owned(),
    };
    assert_eq!(goes(None, "a@XN--strae-oqa.example"), direct);
}
