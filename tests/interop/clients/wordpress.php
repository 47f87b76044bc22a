<?php
// Runs the wp_mail() of Debian's WordPress, with the recipe as its plugin and without a database.
//
// WordPress itself is loaded as far as it goes without one (SHORTINIT), then the rest of what wp_mail() calls.
// The few options that it asks for are answered by the filters that plugins use for that.

define( 'ABSPATH', dirname( __DIR__ ) . '/vendor/wordpress/' );
define( 'WP_CONTENT_DIR', __DIR__ . '/wp-content' );
define( 'WP_DEBUG', true );
define( 'WP_DEBUG_DISPLAY', false );
define( 'SHORTINIT', true );
$table_prefix = 'wp_';

$_SERVER['HTTP_HOST']   = 'www.example.com';
$_SERVER['SERVER_NAME'] = 'www.example.com';

define( 'GATEPOST_HOST', getenv( 'SMTP_HOST' ) );
define( 'GATEPOST_PORT', (int) getenv( 'SMTP_PORT' ) );
define( 'GATEPOST_USER', getenv( 'SMTP_USER' ) );
define( 'GATEPOST_PASSWORD', getenv( 'SMTP_PASSWORD' ) );
define( 'GATEPOST_SECURITY', 'tls' === getenv( 'SMTP_SECURITY' ) ? 'ssl' : 'tls' );
define( 'GATEPOST_FROM', getenv( 'MAIL_FROM' ) );

require ABSPATH . 'wp-settings.php';
require ABSPATH . WPINC . '/l10n.php';
require ABSPATH . WPINC . '/http.php';
require ABSPATH . WPINC . '/general-template.php';
require ABSPATH . WPINC . '/link-template.php';
require ABSPATH . WPINC . '/pluggable.php';

add_filter( 'pre_option_blog_charset', fn() => 'UTF-8' );
add_filter( 'pre_option_home', fn() => 'https://www.example.com' );
add_filter( 'pre_option_siteurl', fn() => 'https://www.example.com' );

require dirname( __DIR__, 3 ) . '/examples/clients/wordpress-gatepost.php';

$headers     = getenv( 'MAIL_URGENT' ) ? array( 'X-Priority: 1' ) : array();
$attachments = array_filter( array( getenv( 'MAIL_ATTACHMENT' ) ) );
$sent        = wp_mail( getenv( 'MAIL_TO' ), getenv( 'MAIL_SUBJECT' ), getenv( 'MAIL_TEXT' ), $headers, $attachments );

exit( $sent ? 0 : 1 );
