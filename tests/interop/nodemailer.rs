//! Nodemailer, from npm at the version of `package-lock.json`.

use std::process::Command;

use crate::client::{Client, FOLDER, recipe};

const NODEMAILER: Client = Client {
    name: "Nodemailer",
    needs: &[
        "node",
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/interop/node_modules/nodemailer/package.json"
        ),
    ],
    command,
    refused: &["not sent: Mail command failed: 550 5.7.1"],
    wrong_password: &["not sent: Invalid login: 535 5.7.8"],
};

fn command() -> Command {
    let mut command = recipe("node", "nodemailer.js");
    command.env("NODE_PATH", format!("{FOLDER}/node_modules"));
    command
}

contract!(NODEMAILER);
