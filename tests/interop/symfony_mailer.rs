//! Symfony Mailer, Debian's, set up as Magento does.

use std::process::Command;

use crate::client::{Client, recipe};

const AUTOLOAD: &str = "/usr/share/php/Symfony/Component/Mailer/autoload.php";

const SYMFONY_MAILER: Client = Client {
    name: "Symfony Mailer",
    needs: &["php", AUTOLOAD],
    command,
    refused: &["not sent: Expected response code \"250\" but got code \"550\""],
    wrong_password: &["Failed to authenticate on SMTP server", "535 5.7.8"],
};

fn command() -> Command {
    let mut command = recipe("php", "symfony-mailer.php");
    command.env("AUTOLOAD", AUTOLOAD);
    command
}

contract!(SYMFONY_MAILER);
