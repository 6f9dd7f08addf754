-- The events that a snapshot is made of.
SELECT count(*) AS events, min(client_time) AS first_event, max(client_time) AS last_event, max(arrival_time) AS last_arrival
FROM known_events
