//! curl, by the shell script of its recipe.

use crate::client::{Client, recipe};

const CURL: Client = Client {
    name: "curl",
    needs: &["bash", "curl"],
    command: || recipe("bash", "curl.sh"),
    refused: &["MAIL failed: 550"],
    wrong_password: &["535 5.7.8", "Login denied"],
};

contract!(CURL);
