-- $1 run id. Artists that a model can have learned of, the most trending first.
SELECT artist_no, artist_id
FROM artist_features
WHERE run_id = $1 AND artist_no IN (SELECT artist_no FROM interactions WHERE weight > 0)
ORDER BY trending_rank
