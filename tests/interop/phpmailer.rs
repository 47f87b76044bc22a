//! PHPMailer, Debian's, set up as the SMTP plugins of WordPress do.

use std::process::Command;

use crate::client::{Client, recipe};

const AUTOLOAD: &str = "/usr/share/php/libphp-phpmailer/autoload.php";

const PHPMAILER: Client = Client {
    name: "PHPMailer",
    needs: &["php", AUTOLOAD],
    command,
    refused: &[
        "The following From address failed: boss@example.net",
        ",550,5.7.1",
    ],
    // It keeps the server's reply for its debug output.
    wrong_password: &["not sent: SMTP Error: Could not authenticate."],
};

fn command() -> Command {
    let mut command = recipe("php", "phpmailer.php");
    command.env("AUTOLOAD", AUTOLOAD);
    command
}

contract!(PHPMAILER);
