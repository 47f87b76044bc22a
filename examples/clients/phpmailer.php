<?php
// Sends a message with PHPMailer (composer require phpmailer/phpmailer), set up as WordPress's SMTP plugins do.
use PHPMailer\PHPMailer\Exception;
use PHPMailer\PHPMailer\PHPMailer;

require getenv('AUTOLOAD') ?: 'vendor/autoload.php';

$mail = new PHPMailer(true);
try {
    $mail->isSMTP();
    $mail->Host = getenv('SMTP_HOST');
    $mail->Port = (int) getenv('SMTP_PORT');
    $mail->SMTPAuth = true;
    $mail->AuthType = strtoupper(getenv('SMTP_AUTH') ?: '');
    $mail->Username = getenv('SMTP_USER');
    $mail->Password = getenv('SMTP_PASSWORD');
    // `tls` is STARTTLS (ports 25, 587, 1025-5000), `ssl` is TLS from the first octet (port 465).
    $mail->SMTPSecure = getenv('SMTP_SECURITY') === 'tls' ? 'ssl' : 'tls';

    $mail->CharSet = PHPMailer::CHARSET_UTF8;
    $mail->setFrom(getenv('MAIL_FROM'));
    $mail->addAddress(getenv('MAIL_TO'));
    $mail->Subject = getenv('MAIL_SUBJECT');
    $mail->Body = getenv('MAIL_TEXT');
    if (getenv('MAIL_URGENT')) {
        $mail->Priority = 1;
    }
    if (getenv('MAIL_ATTACHMENT')) {
        $mail->addAttachment(getenv('MAIL_ATTACHMENT'));
    }
    $mail->send();
    echo "sent\n";
} catch (Exception $error) {
    fwrite(STDERR, "not sent: {$error->getMessage()}\n");
    exit(1);
}
