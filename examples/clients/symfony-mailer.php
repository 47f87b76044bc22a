<?php
// Sends a message with Symfony Mailer (composer require symfony/mailer), set up as Magento 2.4.8 does.
use Symfony\Component\Mailer\Exception\TransportExceptionInterface;
use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Transport\Smtp\Auth\LoginAuthenticator;
use Symfony\Component\Mailer\Transport\Smtp\Auth\PlainAuthenticator;
use Symfony\Component\Mailer\Transport\Smtp\EsmtpTransport;
use Symfony\Component\Mime\Email;

require getenv('AUTOLOAD') ?: 'vendor/autoload.php';

// The third argument means TLS from the first octet. Without it STARTTLS is used when the server offers it.
$implicit = getenv('SMTP_SECURITY') === 'tls';
$transport = new EsmtpTransport(getenv('SMTP_HOST'), (int) getenv('SMTP_PORT'), $implicit);
$transport->setUsername(getenv('SMTP_USER'));
$transport->setPassword(getenv('SMTP_PASSWORD'));
// Magento's field `Auth`. setAuthenticators exists since Symfony 6; before, all are tried.
$authenticator = getenv('SMTP_AUTH') === 'plain' ? new PlainAuthenticator() : new LoginAuthenticator();
if (method_exists($transport, 'setAuthenticators')) {
    $transport->setAuthenticators([$authenticator]);
}

$email = (new Email())
    ->from(getenv('MAIL_FROM'))
    ->to(getenv('MAIL_TO'))
    ->subject(getenv('MAIL_SUBJECT'))
    ->text(getenv('MAIL_TEXT'));
if (getenv('MAIL_URGENT')) {
    $email->priority(Email::PRIORITY_HIGHEST);
}
if (getenv('MAIL_ATTACHMENT')) {
    $email->attachFromPath(getenv('MAIL_ATTACHMENT'));
}

try {
    (new Mailer($transport))->send($email);
} catch (TransportExceptionInterface $error) {
    fwrite(STDERR, "not sent: {$error->getMessage()}\n");
    exit(1);
}
