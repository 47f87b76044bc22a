//! Thunderbird, Debian's, without a screen: its compose window, its Send button, its dialogs.

use std::process::Command;

use crate::client::{Client, FOLDER};

const THUNDERBIRD: Client = Client {
    name: "Thunderbird",
    needs: &["thunderbird", "python3"],
    command,
    refused: &[
        "Send Message Error: Sending of the message failed. An error occurred while sending mail. The mail server responded: the sender address boss@",
    ],
    wrong_password: &[
        "Login to server localhost with username s",
        "Please check the password",
    ],
};

fn command() -> Command {
    let mut command = Command::new("python3");
    command.arg(format!("{FOLDER}/clients/thunderbird.py"));
    command
}

contract!(THUNDERBIRD);
