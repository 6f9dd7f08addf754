CREATE TEMP TABLE interactions (
  listener_id text NOT NULL,
  artist_no   integer NOT NULL,
  weight      real NOT NULL,
  time        timestamptz NOT NULL,
  plays       integer NOT NULL,
  likes       integer NOT NULL,
  clicks      integer NOT NULL,
  skips       integer NOT NULL
) ON COMMIT DROP
