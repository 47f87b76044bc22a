-- What the policies had done to the message and its way: a JSON array of lines; NULL: nothing.
ALTER TABLE decision ADD COLUMN effects TEXT;
