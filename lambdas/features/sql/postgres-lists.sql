-- A listener's rows as one JSON list.
CREATE OR REPLACE TEMP VIEW recent_artist_lists AS
SELECT
  listener_id,
  json_agg(
    json_build_object(
      'artistNo', artist_no, 'name', name, 'genre', genre, 'plays', plays,
      'at', to_char(last_time, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    )
    ORDER BY place
  )::text AS list
FROM recent_artists
GROUP BY listener_id;

CREATE OR REPLACE TEMP VIEW recent_song_lists AS
SELECT
  listener_id,
  json_agg(
    json_build_object(
      'songId', song_id, 'artistNo', artist_no, 'title', title, 'genre', genre, 'rank', rank, 'durationSeconds', duration_seconds,
      'heard', heard, 'at', to_char(client_time, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    )
    ORDER BY place
  )::text AS list
FROM recent_songs
GROUP BY listener_id;
