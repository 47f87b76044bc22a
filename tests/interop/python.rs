//! Python's own smtplib.

use crate::client::{Client, recipe};

const PYTHON: Client = Client {
    name: "Python smtplib",
    needs: &["python3"],
    command: || recipe("python3", "python.py"),
    refused: &["not sent: 550 5.7.1"],
    wrong_password: &["not sent: 535 5.7.8"],
};

contract!(PYTHON);
