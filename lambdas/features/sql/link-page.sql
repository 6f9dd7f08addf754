-- $1 the last account of the page before, $2 page size
SELECT account_id FROM accounts WHERE listener_id IS NULL AND account_id > $1 ORDER BY account_id LIMIT $2
