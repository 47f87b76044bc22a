//! Real clients against the built binary: each sends by its recipe in `examples/clients`, and what arrives, and
//! what its user is shown, is compared with what was meant.
//!
//! `tests/interop/run` installs the clients and runs this suite alone, with `--show` also what each client prints.

#[macro_use]
mod contract;
mod client;
mod desk;
mod received;

mod curl;
mod gsasl;
mod msmtp;
mod nodemailer;
mod phpmailer;
mod python;
mod swaks;
mod symfony_mailer;
mod thunderbird;
mod wordpress;
