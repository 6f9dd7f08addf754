-- Artists that a model can have learned of, the most trending first.
SELECT artist_no, artist_id, trending_rank
FROM artist_feature_rows
WHERE artist_no IN (SELECT artist_no FROM interactions WHERE weight > 0)
