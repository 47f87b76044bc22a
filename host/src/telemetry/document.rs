//! Spans as the JSON document of OTLP: ids in hexadecimal, numbers of 64 bits as texts, enumerations as numbers.

use serde_json::{Value as Json, json};

use crate::trace::{Kind, Span, Value};

/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// A request with these spans of a service on a host.
pub(super) fn document(service: &str, host: &str, spans: &[Span]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let resource = [
        attribute("service.name", service),
        attribute("service.version", version),
        attribute("host.name", host),
    ];
    let spans: Vec<Json> = spans.iter().map(span).collect();
    let document = json!({
        "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{ "scope": { "name": "gatepost", "version": version }, "spans": spans }],
        }],
    });
    document.to_string()
}

fn span(span: &Span) -> Json {
    let attributes = span.attributes.iter().map(|(name, value)| match value {
        Value::Text(text) => attribute(name, text),
        Value::Number(number) => {
            json!({ "key": name, "value": { "intValue": number.to_string() } })
        }
    });
    let mut document = json!({
        "traceId": span.trace.to_string(),
        "spanId": span.id.to_string(),
        "name": span.name,
        "kind": kind(span.kind),
        "startTimeUnixNano": span.from_ns.to_string(),
        "endTimeUnixNano": span.until_ns.to_string(),
        "attributes": attributes.collect::<Vec<_>>(),
    });
    if let Some(parent) = span.parent {
        document["parentSpanId"] = Json::String(parent.to_string());
    }
    if let Some(why) = span.failed {
        document["status"] = json!({ "code": ERROR, "message": why });
    }
    document
}

fn attribute(name: &str, text: &str) -> Json {
    json!({ "key": name, "value": { "stringValue": text } })
}

const fn kind(kind: Kind) -> u8 {
    match kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
    }
}
