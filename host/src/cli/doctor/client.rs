//! What to type into a mail client.

use super::finding::Finding;
use super::plan::Door;
use crate::listener::TlsMode;

/// What a person types, for the best port that works.
pub fn settings(name: &str, door: Option<&Door>, user: Option<&str>) -> Finding {
    let check = "mail client";
    let Some(door) = door else {
        return Finding::skipped(check, "no port can be used yet").fix("mend what failed above");
    };
    let encryption = match door.tls {
        TlsMode::StartTls => "STARTTLS",
        TlsMode::Implicit => "SSL/TLS",
        TlsMode::None => "none",
    };
    let user = user.unwrap_or("as `gatepost user add` printed it");
    let detail = format!(
        "server {name}, port {}, encryption {encryption}, authentication normal password, user name {user}",
        door.port
    );
    Finding::ok(check, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;
    use crate::cli::doctor::plan::remote_doors;

    #[test]
    fn a_person_reads_what_to_type() {
        let doors = remote_doors(&[587, 465], None);
        let said = settings("relay.example.com", doors.first(), Some("s1_1"));
        assert_eq!(
            said.detail,
            "server relay.example.com, port 587, encryption STARTTLS, \
             authentication normal password, user name s1_1"
        );
        let implicit = settings("relay.example.com", doors.get(1), None);
        assert!(implicit.detail.contains("port 465, encryption SSL/TLS"));
        assert!(implicit.detail.contains("gatepost user add"));
        assert_eq!(settings("x", None, None).result, Verdict::Skipped);
    }
}
