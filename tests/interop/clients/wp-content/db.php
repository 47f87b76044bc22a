<?php
// WordPress loads this in place of its own connection: a database in which nothing is found.

class Nothing_Found extends wpdb {
	public function __construct() {}

	public function db_connect( $allow_bail = true ) {
		return false;
	}

	public function query( $query ) {
		$this->flush();
		return 0;
	}

	public function _real_escape( $data ) {
		return addslashes( (string) $data );
	}

	public function set_prefix( $prefix, $set_table_names = true ) {
		$this->base_prefix = $prefix;
		return $prefix;
	}
}

$wpdb = new Nothing_Found();
