-- $1 account ids, $2 their listener ids
UPDATE accounts a
SET listener_id = u.listener_id
FROM unnest($1::text[], $2::text[]) AS u (account_id, listener_id)
WHERE a.account_id = u.account_id AND a.listener_id IS NULL
