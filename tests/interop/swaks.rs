//! swaks, which shows the whole dialogue.

use crate::client::{Client, recipe};

const SWAKS: Client = Client {
    name: "swaks",
    needs: &["bash", "swaks"],
    command: || recipe("bash", "swaks.sh"),
    refused: &["550 5.7.1"],
    wrong_password: &["535 5.7.8", "No authentication type succeeded"],
};

contract!(SWAKS);
