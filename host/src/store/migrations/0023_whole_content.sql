-- A server keeps content in one row; see 0023 of a server. In a file it lies in the log.
SELECT 1;
