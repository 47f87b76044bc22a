//! Finds what DNS promises of a host's certificate: the TLSA records of RFC 7672.

use hickory_resolver::proto::rr::rdata::TLSA;
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_resolver::proto::rr::{RData, RecordType};

use super::dns::{Dns, Located, Miss};
use crate::tls::{self, Association};

/// What DNS promises.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// Nothing, or nothing that is proven.
    Nothing,
    /// TLS, with a certificate that cannot be told (RFC 7672 §2.2).
    Tls,
    /// TLS with one of these, found under this name of the host.
    Certificate(Vec<Association>, String),
}

/// What is promised for a host at a port; only proven addresses can have a proven promise.
///
/// # Errors
/// When nobody knows: the host must not be connected to then (RFC 7672 §2.1).
pub(super) async fn promise(
    dns: &Dns,
    host: &str,
    located: &Located,
    port: u16,
) -> Result<Promise, String> {
    if !located.is_secure {
        return Ok(Promise::Nothing);
    }
    // RFC 7672 §2.2.2: under the name at the end of aliases first, then under the host's own.
    let names = located.canonical.iter().map(String::as_str).chain([host]);
    for name in names {
        match dns
            .lookup(&format!("_{port}._tcp.{name}"), RecordType::TLSA)
            .await
        {
            Ok(answer) if answer.is_secure => {
                let records = answer.data().filter_map(|data| match data {
                    RData::TLSA(record) => usable(record),
                    _ => None,
                });
                return Ok(of_records(records.collect(), name));
            }
            Ok(_) | Err(Miss::NoName | Miss::NoRecords) => {}
            Err(Miss::Trouble(trouble)) => return Err(trouble),
        }
    }
    Ok(Promise::Nothing)
}

fn of_records(usable: Vec<Association>, name: &str) -> Promise {
    if usable.is_empty() {
        Promise::Tls
    } else {
        Promise::Certificate(usable, name.to_owned())
    }
}

/// RFC 7672 §3.1: DANE-TA(2) and DANE-EE(3) alone, with parameters that are known, and a digest of its length.
fn usable(record: &TLSA) -> Option<Association> {
    let association = Association {
        usage: match record.cert_usage {
            CertUsage::DaneTa => tls::Usage::Authority,
            CertUsage::DaneEe => tls::Usage::EndEntity,
            _ => return None,
        },
        selector: match record.selector {
            Selector::Full => tls::Selector::Certificate,
            Selector::Spki => tls::Selector::PublicKey,
            _ => return None,
        },
        matching: match record.matching {
            Matching::Raw => tls::Matching::Exact,
            Matching::Sha256 => tls::Matching::Sha256,
            Matching::Sha512 => tls::Matching::Sha512,
            _ => return None,
        },
        data: record.cert_data.clone(),
    };
    let is_whole = match association.matching {
        tls::Matching::Exact => !association.data.is_empty(),
        tls::Matching::Sha256 => association.data.len() == 32,
        tls::Matching::Sha512 => association.data.len() == 64,
    };
    is_whole.then_some(association)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(usage: u8, selector: u8, matching: u8, octets: usize) -> TLSA {
        TLSA::new(
            CertUsage::from(usage),
            Selector::from(selector),
            Matching::from(matching),
            vec![7; octets],
        )
    }

    #[test]
    fn only_what_smtp_can_use_is_used() {
        for (record, is_usable) in [
            (record(3, 1, 1, 32), true),
            (record(2, 0, 2, 64), true),
            (record(3, 0, 0, 500), true),
            (record(0, 1, 1, 32), false),
            (record(1, 1, 1, 32), false),
            (record(3, 2, 1, 32), false),
            (record(3, 1, 3, 32), false),
            (record(3, 1, 1, 31), false),
            (record(3, 0, 0, 0), false),
        ] {
            assert_eq!(usable(&record).is_some(), is_usable, "{record}");
        }
    }

    #[test]
    fn records_of_no_use_still_promise_tls() {
        assert_eq!(of_records(Vec::new(), "mx.example"), Promise::Tls);
    }
}
