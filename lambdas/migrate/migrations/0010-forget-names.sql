-- An index of an expression has statistics of its own, and those of names outlive an account. Made anew, an index has none, and none are
-- gathered again; a name is found by it all the same, as lookups are by one value.
DROP INDEX accounts_name;
DROP INDEX accounts_name_last_first;
CREATE INDEX accounts_name ON accounts (name_key(name_words(name)));
CREATE INDEX accounts_name_last_first ON accounts (name_key(last_first(name_words(name))));
ALTER INDEX accounts_name ALTER COLUMN 1 SET STATISTICS 0;
ALTER INDEX accounts_name_last_first ALTER COLUMN 1 SET STATISTICS 0;
