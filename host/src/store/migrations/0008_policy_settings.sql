-- What a list and a user tell the policies: a JSON object of names and values; NULL: nothing.
ALTER TABLE list ADD COLUMN policy_settings TEXT;
ALTER TABLE account ADD COLUMN policy_settings TEXT;
