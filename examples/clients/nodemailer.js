// Sends a message with Nodemailer (npm install nodemailer). The settings come from the environment.
const nodemailer = require('nodemailer');

const setting = process.env;
const implicit = setting.SMTP_SECURITY === 'tls';

const transport = nodemailer.createTransport({
  host: setting.SMTP_HOST,
  port: Number(setting.SMTP_PORT),
  // `secure` means TLS from the first octet, as on port 465. STARTTLS is `requireTLS`.
  secure: implicit,
  requireTLS: !implicit,
  auth: { user: setting.SMTP_USER, pass: setting.SMTP_PASSWORD },
  authMethod: setting.SMTP_AUTH?.toUpperCase(),
});

const message = {
  from: setting.MAIL_FROM,
  to: setting.MAIL_TO,
  subject: setting.MAIL_SUBJECT,
  text: setting.MAIL_TEXT,
  // Writes X-Priority: 1; Gatepost sends it before everything else.
  priority: setting.MAIL_URGENT ? 'high' : undefined,
  attachments: setting.MAIL_ATTACHMENT ? [{ path: setting.MAIL_ATTACHMENT }] : [],
};

transport.sendMail(message).then(
  (sent) => console.log(sent.response),
  (error) => {
    // `code` is EAUTH for a wrong password, EENVELOPE for a refused sender; `response` is the server's reply.
    console.error(`not sent: ${error.message}`);
    process.exitCode = 1;
  },
);
