//! A DNS server on loopback that knows TXT records and nothing else.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};

/// Octets of one string of a TXT record (RFC 1035 §3.3).
const MAX_STRING: usize = 255;
const HEADER: usize = 12;
const TYPE_TXT: [u8; 4] = [0, 16, 0, 1];

/// Serves these records, a name and a text each, on a free port; for as long as the test runs.
///
/// # Panics
/// When no port can be had.
pub fn serve(records: &[(String, String)]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = socket.local_addr().expect("it is bound");
    let known = records
        .iter()
        .map(|(name, text)| (name.to_lowercase(), text.clone()));
    let known: HashMap<String, String> = known.collect();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..length], &known) {
                let _ = socket.send_to(&answer, client);
            }
        }
    });
    address
}

/// RFC 1035 §4.1: the question back, with the record that answers it if there is one.
fn answer(query: &[u8], known: &HashMap<String, String>) -> Option<Vec<u8>> {
    let (name, end) = name(query)?;
    let question = query.get(HEADER..end + 4)?;
    let text = known.get(&name).filter(|_| question.ends_with(&TYPE_TXT));
    let mut answer = query.get(..2)?.to_vec();
    // A response, recursion available; NXDOMAIN where nothing is known.
    answer.extend_from_slice(&[0x81, if text.is_some() { 0x80 } else { 0x83 }]);
    answer.extend_from_slice(&[0, 1, 0, u8::from(text.is_some()), 0, 0, 0, 0]);
    answer.extend_from_slice(question);
    if let Some(text) = text {
        let strings = text.as_bytes().chunks(MAX_STRING);
        let data: Vec<u8> = strings
            .flat_map(|part| [&[u8::try_from(part.len()).unwrap_or(0)], part].concat())
            .collect();
        // The name is that of the question; 60 seconds.
        answer.extend_from_slice(&[0xc0, 0x0c]);
        answer.extend_from_slice(&TYPE_TXT);
        answer.extend_from_slice(&[0, 0, 0, 60]);
        answer.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend_from_slice(&data);
    }
    Some(answer)
}

/// The name that is asked for, and where it ends.
fn name(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = query.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_lowercase());
        at += length;
    }
}
