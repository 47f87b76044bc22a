//! Cookies: read from a request, written for this host alone, out of reach of scripts and of other sites.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

/// Holds the token of a session.
pub const SESSION: &str = "gatepost-session";
/// Holds a token that forms are bound to before anybody is signed in.
pub const VISIT: &str = "gatepost-visit";
/// Holds what the next page says at its top.
pub const FLASH: &str = "gatepost-flash";

/// The value of a cookie of this name; over HTTPS only one that no other host and no plain HTTP can set.
pub fn cookie<'a>(header: &'a HeaderMap, name: &str, is_https: bool) -> Option<&'a str> {
    let name = full_name(name, is_https);
    let fields = header.get_all(COOKIE).iter();
    let texts = fields.filter_map(|field| field.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.find(|(known, _)| *known == name);
    found.map(|(_, value)| value)
}

/// Sets a cookie for as long as the browser is open, or for `max_age_s`; 0 removes it.
pub fn set_cookie(
    response: &mut Response,
    name: &str,
    value: &str,
    max_age_s: Option<u64>,
    is_https: bool,
) {
    let name = full_name(name, is_https);
    let secure = if is_https { "; Secure" } else { "" };
    let age = max_age_s.map_or_else(String::new, |s| format!("; Max-Age={s}"));
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

fn full_name(name: &str, is_https: bool) -> String {
    if is_https {
        format!("__Host-{name}")
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let mut header = HeaderMap::new();
        let text = "a=1; xgatepost-visit=2;gatepost-visit=3; __Host-gatepost-visit=4";
        header.append(COOKIE, HeaderValue::from_static(text));
        assert_eq!(cookie(&header, VISIT, false), Some("3"));
        assert_eq!(cookie(&header, VISIT, true), Some("4"));
        assert_eq!(cookie(&header, SESSION, false), None);
    }

    #[test]
    fn cookies_are_out_of_reach_of_scripts_and_of_plain_http() {
        let mut response = Response::default();
        set_cookie(&mut response, SESSION, "x", None, true);
        let text = response.headers()[SET_COOKIE].to_str().expect("text");
        assert_eq!(
            text,
            "__Host-gatepost-session=x; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
    }
}
