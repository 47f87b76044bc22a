//! What the description says is what there is.

use serde_json::Value;

use super::operations;

fn document() -> Value {
    let (_, document) = operations().split_for_parts();
    serde_json::to_value(document).expect("it can be written")
}

/// Method and path of every operation, with its description.
fn described() -> Vec<(String, Value)> {
    let document = document();
    let paths = document["paths"].as_object().expect("paths").clone();
    let mut found = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods").clone() {
            found.push((format!("{method} {path}"), operation));
        }
    }
    found
}

#[test]
fn it_is_openapi_3_1_and_names_the_way_in() {
    let document = document();
    let version = document["openapi"].as_str().expect("a version");
    assert!(version.starts_with("3.1"), "{version}");
    assert_eq!(
        document["components"]["securitySchemes"]["token"]["scheme"],
        "bearer"
    );
    assert_eq!(document["servers"][0]["url"], super::PATH);
}

#[test]
fn every_operation_says_what_it_is_for_and_how_it_refuses() {
    let described = described();
    assert!(described.len() >= 55, "{}", described.len());
    for (name, operation) in described {
        assert!(operation["summary"].is_string(), "{name}");
        assert!(operation["operationId"].is_string(), "{name}");
        assert!(operation["responses"]["401"].is_object(), "{name}");
        assert!(operation["responses"]["429"].is_object(), "{name}");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{name}"
        );
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().expect("an end");
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}
