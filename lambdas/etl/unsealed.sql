-- Files that own an event of the batch and are not known to be in the lake, be it from this batch or from an earlier one that
-- did not end. $1 event ids
SELECT DISTINCT f.file_key
FROM event_ids i
JOIN clean_files f USING (file_key)
WHERE i.event_id = ANY ($1::text[]) AND f.sealed_at IS NULL
ORDER BY f.file_key
