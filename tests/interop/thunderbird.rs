//! Thunderbird, Debian's, without a screen: its compose window, its Send button, its dialogs.

use std::process::Command;

use crate::client::{Client, FOLDER};

const THUNDERBIRD: Client = Client {
    name: "Thunderbird",
    needs: &["thunderbird", "python3"],
    command,
    refused: &["An error occurred while sending mail"],
    wrong_password: &["failed"],
};

fn command() -> Command {
    let mut command = Command::new("python3");
    command.arg(format!("{FOLDER}/clients/thunderbird.py"));
    command
}

contract!(THUNDERBIRD);
