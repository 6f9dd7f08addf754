import type { Event } from "../../shared/events";
import { placeAt, UNKNOWN } from "../../shared/places";
import { maskPii } from "../../shared/privacy";
import { remembered } from "../../shared/remembered";
import type { CleanEvent } from "../columns";
import { normaliseGenre, normaliseText } from "./normalise";

/** What an event says about its artist, for the catalogue. */
export interface ArtistCard {
  readonly artist_id: string;
  readonly name: string;
  readonly genre: string;
  /** Milliseconds since 1970. */
  readonly seen_at: number;
}

const clean = (text: string): string => maskPii(normaliseText(text));
/** Titles, names and genres repeat; what people search for is not kept. */
const cleanOnCard = remembered(clean);
const cleanGenre = remembered((genre) => normaliseGenre(maskPii(normaliseText(genre))));

/**
 * Turns a valid event into its row: free text normalised and masked, the location reduced to its place, times in UTC,
 * everything else dropped.
 * @param listenerId whom the account's events go under
 * @param clientTime when it happened, in milliseconds since 1970
 * @param arrivalTime when it reached the server
 */
export function cleanEvent(
  event: Event,
  listenerId: string,
  clientTime: number,
  arrivalTime: number,
  fileKey: string,
): CleanEvent {
  const { card, location } = event;
  const play = event.type === "play" ? event : undefined;
  const { city, region, country } = location ? placeAt(location.latitude, location.longitude) : UNKNOWN;
  const shown = event.type === "click" || event.type === "play" || event.type === "impression" ? event : undefined;
  return {
    event_id: event.eventId,
    type: event.type,
    listener_id: listenerId,
    artist_id: event.artistId ?? null,
    song_id: ("songId" in event ? event.songId : undefined) ?? null,
    client_time: clientTime,
    arrival_time: arrivalTime,
    listened_seconds: play?.listenedSeconds ?? null,
    duration_seconds: play?.durationSeconds ?? card?.durationSeconds ?? null,
    volume: play?.volume ?? null,
    recommendation_id: shown?.recommendationId ?? null,
    release: shown?.release ?? null,
    variant: shown?.variant ?? null,
    position: shown?.position ?? null,
    query: event.type === "search" ? clean(event.query) : null,
    title: card?.title === undefined ? null : cleanOnCard(card.title),
    rank: card?.rank ?? null,
    genre: card?.genre === undefined ? null : cleanGenre(card.genre),
    city,
    region,
    country,
    file_key: fileKey,
  };
}

/** The artist that an event is about, as it says. */
export function artistOf(event: Event, row: CleanEvent, artistId: string): ArtistCard {
  const name = event.card?.artist === undefined ? "" : cleanOnCard(event.card.artist);
  return { artist_id: artistId, name, genre: row.genre ?? "", seen_at: row.arrival_time };
}
