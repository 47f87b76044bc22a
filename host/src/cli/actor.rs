//! Who gives a command, as the timeline of a message tells it.

/// The name of whoever runs the command: behind `sudo` that of the person, else the login name, else the user's number.
///
/// It is a note between administrators and proves nothing: whoever can write the store can write any name.
pub fn name() -> String {
    let named = ["SUDO_USER", "LOGNAME", "USER"]
        .into_iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .map(|name| name.replace(char::is_control, " "))
        .find(|name| !name.trim().is_empty());
    let name = named.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()));
    name.chars().take(64).collect()
}
