//! A message as its recipient has it, read by another mail library (Python's) than any under test.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::client::FOLDER;

/// What a mail program would show of a message.
#[derive(Debug)]
pub struct Received(Value);

impl Received {
    /// Reads a file of a maildir.
    ///
    /// # Panics
    /// When it cannot be read.
    #[track_caller]
    pub fn read(file: &Path) -> Self {
        let output = Command::new("python3")
            .arg(format!("{FOLDER}/clients/read.py"))
            .stdin(Stdio::from(File::open(file).expect("the file is there")))
            .output()
            .expect("python3 can be started");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        Self(serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// A field by its name in `clients/read.py`.
    pub fn text(&self, field: &str) -> &str {
        let value = self.0[field].as_str();
        value.unwrap_or_else(|| panic!("no `{field}` in {self:?}"))
    }

    /// The id that the relay gave it, which stands in its Received field.
    pub fn queue_id(&self) -> String {
        let received = self.text("received");
        let (_, id) = received.split_once(" id ").expect("an id in Received");
        id.split_whitespace().next().expect("an id").to_owned()
    }

    /// Name and content (base64) of each attachment.
    pub fn attachments(&self) -> Vec<(&str, &str)> {
        let attachments = self.0["attachments"].as_array().expect("an array");
        attachments
            .iter()
            .map(|it| {
                let name = it["name"].as_str().unwrap_or_default();
                (name, it["content"].as_str().unwrap_or_default())
            })
            .collect()
    }

    /// What a strict reader finds wrong with it.
    pub fn defects(&self) -> &[Value] {
        self.0["defects"].as_array().map_or(&[], Vec::as_slice)
    }
}
