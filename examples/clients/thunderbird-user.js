// Thunderbird's outgoing server and identity as preferences: copy this file as `user.js` into a new profile
// folder (Help > Troubleshooting Information > Profile Folder) and put in your own values. The account reads
// no mail: it is for programs and people who only send.

// The outgoing server. try_ssl: 2 is STARTTLS (ports 25, 587, 1025-5000), 3 is TLS from the first octet (465).
user_pref("mail.smtpservers", "smtp1");
user_pref("mail.smtp.defaultserver", "smtp1");
user_pref("mail.smtpserver.smtp1.type", "smtp");
user_pref("mail.smtpserver.smtp1.hostname", "relay.example.com");
user_pref("mail.smtpserver.smtp1.port", 587);
user_pref("mail.smtpserver.smtp1.try_ssl", 2);
user_pref("mail.smtpserver.smtp1.username", "s1_1");
// "Normal password".
user_pref("mail.smtpserver.smtp1.authMethod", 3);

// Who sends.
user_pref("mail.identity.id1.fullName", "Orders");
user_pref("mail.identity.id1.useremail", "orders@example.com");
user_pref("mail.identity.id1.smtpServer", "smtp1");
user_pref("mail.identity.id1.valid", true);
user_pref("mail.identity.id1.fcc", false);

// An account of the kind `Local Folders`, which holds the identity.
user_pref("mail.accountmanager.accounts", "account1");
user_pref("mail.accountmanager.defaultaccount", "account1");
user_pref("mail.accountmanager.localfoldersserver", "server1");
user_pref("mail.account.account1.server", "server1");
user_pref("mail.account.account1.identities", "id1");
user_pref("mail.server.server1.type", "none");
user_pref("mail.server.server1.hostname", "Local Folders");
user_pref("mail.server.server1.userName", "nobody");
user_pref("mail.server.server1.name", "Local Folders");
