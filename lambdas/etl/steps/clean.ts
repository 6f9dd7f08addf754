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

type Field<E> = E extends unknown ? keyof E : never;
type Value<E, F> = E extends unknown ? (F extends keyof E ? E[F] : undefined) : never;
/** The fields of every type of event: the schema lets each type have its own alone. */
type Fields = { readonly [F in Field<Event>]?: Value<Event, F> };

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
  const fields: Fields = event;
  const { card, location } = fields;
  const { city, region, country } = location ? placeAt(location.latitude, location.longitude) : UNKNOWN;
  return {
    event_id: event.eventId,
    type: event.type,
    listener_id: listenerId,
    artist_id: fields.artistId ?? null,
    song_id: fields.songId ?? null,
    client_time: clientTime,
    arrival_time: arrivalTime,
    listened_seconds: fields.listenedSeconds ?? null,
    duration_seconds: fields.durationSeconds ?? card?.durationSeconds ?? null,
    volume: fields.volume ?? null,
    recommendation_id: fields.recommendationId ?? null,
    release: fields.release ?? null,
    variant: fields.variant ?? null,
    position: fields.position ?? null,
    query: fields.query === undefined ? null : clean(fields.query),
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
