//! The `wp_mail()` of Debian's WordPress, with the recipe as its plugin.

use std::process::Command;

use crate::client::{Client, FOLDER};

const WORDPRESS: Client = Client {
    name: "WordPress",
    needs: &[
        "php",
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/interop/vendor/wordpress/wp-includes/pluggable.php"
        ),
    ],
    command,
    refused: &[
        "mail not sent: The following From address failed: boss@example.net",
        ",550,5.7.1",
    ],
    wrong_password: &["mail not sent: SMTP Error: Could not authenticate."],
};

fn command() -> Command {
    let mut command = Command::new("php");
    command.arg(format!("{FOLDER}/clients/wordpress.php"));
    command
}

contract!(WORDPRESS);
