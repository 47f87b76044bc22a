//! Finds what a SCRAM proof is judged by, and what a channel can be bound to.

use super::Shared;
use super::stream::Stream;
use crate::accounts::scram;
use crate::intake::{Asked, Peer};
use crate::smtp::{Reply, VerifierFound};

/// Random octets of the server's part of a nonce; a multiple of three needs no padding in base64.
const NONCE_OCTETS: usize = 24;
/// RFC 9266 §2: what is exported from the TLS session.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
const EXPORTER_OCTETS: usize = 32;

impl Shared {
    /// The verifier of a user, or one that nothing fits; waits as earlier failures ask for.
    ///
    /// # Errors
    /// The reply to AUTH.
    pub(super) async fn look_up_verifier(
        &self,
        peer: &Peer,
        asked: Asked,
        username: &str,
    ) -> Result<VerifierFound, Reply> {
        self.hold_back(peer, username).await?;
        let found = self.directory.at(asked, username).await;
        let unavailable = super::authenticate::unavailable;
        let principal = self.outage.note(found).ok_or_else(unavailable)?;
        let user = principal.as_ref().map(|principal| &principal.account.user);
        let (verifier, version) = scram::verifier_of(user, username, &self.scram);
        Ok(VerifierFound {
            verifier,
            version,
            nonce: nonce(),
        })
    }
}

fn nonce() -> String {
    use base64::Engine;
    let mut octets = [0; NONCE_OCTETS];
    getrandom::fill(&mut octets).expect("the operating system has random numbers");
    base64::engine::general_purpose::STANDARD.encode(octets)
}

/// What a login over this connection can be bound to; none without TLS.
pub(super) fn channel_binding(stream: &Stream) -> Option<Vec<u8>> {
    let Stream::Tls(stream) = stream else {
        return None;
    };
    let (_, connection) = stream.get_ref();
    // RFC 9266 §1: before TLS 1.3 only with the extended master secret, which cannot be asked for here.
    let is_bound = connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
    let exported = is_bound.then(|| {
        connection.export_keying_material([0; EXPORTER_OCTETS], EXPORTER_LABEL, Some(&[]))
    });
    exported?.ok().map(Vec::from)
}
