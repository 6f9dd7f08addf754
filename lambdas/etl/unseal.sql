-- Has the files that own an event of the batch written again, but for those whose rows the table has let go. $1 event ids
UPDATE clean_files f
SET sealed_at = NULL
WHERE file_key IN (SELECT file_key FROM event_ids WHERE event_id = ANY ($1::text[]))
  AND rows = (SELECT count(*) FROM events e WHERE e.file_key = f.file_key)
