<?php
/*
 * Plugin Name: Mail through Gatepost
 * Description: Sends everything that WordPress mails through Gatepost, and writes into the error log why a message was refused.
 *
 * Copy this file to wp-content/mu-plugins/ and put these lines into wp-config.php:
 *
 *   define( 'GATEPOST_HOST', 'relay.example.com' );
 *   define( 'GATEPOST_PORT', 587 );
 *   define( 'GATEPOST_USER', 's1_1' );
 *   define( 'GATEPOST_PASSWORD', '…' );
 *   define( 'GATEPOST_FROM', 'orders@example.com' );
 */

add_action( 'phpmailer_init', function ( $mail ) {
	$mail->isSMTP();
	$mail->Host     = GATEPOST_HOST;
	$mail->Port     = GATEPOST_PORT;
	$mail->SMTPAuth = true;
	$mail->Username = GATEPOST_USER;
	$mail->Password = GATEPOST_PASSWORD;
	// `tls` is STARTTLS; port 465 speaks TLS from the first octet, which PHPMailer calls `ssl`.
	$mail->SMTPSecure = 465 === GATEPOST_PORT ? 'ssl' : 'tls';
	if ( defined( 'GATEPOST_SECURITY' ) ) {
		$mail->SMTPSecure = GATEPOST_SECURITY;
	}
} );

// Without this WordPress sends as wordpress@<the site's domain>, which the user may not be authorized for.
add_filter( 'wp_mail_from', function ( $from ) {
	return str_starts_with( $from, 'wordpress@' ) ? GATEPOST_FROM : $from;
} );

// wp_mail() only returns false; the reason is in the error that it hands to this hook.
add_action( 'wp_mail_failed', function ( $error ) {
	error_log( 'mail not sent: ' . wp_strip_all_tags( $error->get_error_message() ) );
} );
