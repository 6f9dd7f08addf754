-- Files that own an event of the batch and are not known to be in the lake, be it from this batch or from an earlier one that
-- did not end.
SELECT DISTINCT f.file_key
FROM events e
JOIN clean_files f USING (file_key)
WHERE e.event_id = ANY ($1::text[]) AND f.sealed_at IS NULL
ORDER BY f.file_key
