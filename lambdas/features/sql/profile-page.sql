-- $1 the last listener of the page before, $2 page size
SELECT listener_id, latitude, longitude FROM accounts WHERE listener_id > $1 ORDER BY listener_id LIMIT $2
