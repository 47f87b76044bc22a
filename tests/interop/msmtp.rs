//! msmtp, which scripts and cron jobs call as `sendmail`.

use crate::client::{Client, recipe};

const MSMTP: Client = Client {
    name: "msmtp",
    needs: &["bash", "msmtp"],
    command: || recipe("bash", "msmtp.sh"),
    refused: &[
        "envelope from address boss@example.net not accepted",
        "550 5.7.1",
    ],
    wrong_password: &["535 5.7.8", "authentication failed"],
};

contract!(MSMTP);

#[test]
fn it_logs_in_by_scram() {
    crate::contract::it_logs_in_without_showing_the_password(&MSMTP, "scram-sha-256");
}
