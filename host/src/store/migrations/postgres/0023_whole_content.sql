-- Content of up to a page stays in one row: cut into pieces of 2 KB beside it, it costs several rows and as many entries of
-- an index.
ALTER TABLE content SET (toast_tuple_target = 8160);
