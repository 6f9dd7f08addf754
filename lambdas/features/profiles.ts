import type { Client } from "pg";
import { placeAt, UNKNOWN } from "../shared/places";
import { pseudonym } from "../shared/pseudonym";
import linkSql from "./sql/link-accounts.sql";
import linkPage from "./sql/link-page.sql";
import profilePage from "./sql/profile-page.sql";
import refreshProfiles from "./sql/refresh-profiles.sql";

const PAGE = 5_000;

interface Account {
  readonly listener_id: string;
  readonly latitude: number | null;
  readonly longitude: number | null;
}

/**
 * Gives every account that has none its listener id. The ETL has done so for those that sent an event.
 * @param key of listener ids
 */
export async function linkAccounts(client: Client, key: Buffer): Promise<void> {
  let last = "";
  for (;;) {
    const { rows } = await client.query<{ account_id: string }>(linkPage, [last, PAGE]);
    if (rows.length === 0) return;
    const accountIds = rows.map(({ account_id }) => account_id);
    last = accountIds.at(-1)!;
    await client.query(linkSql, [accountIds, accountIds.map((accountId) => pseudonym(key, accountId))]);
  }
}

/**
 * Derives the profile of each account: age group at `asOf` from the birth date, place from the coordinates. Neither birth date nor
 * coordinates leave this step.
 */
export async function refreshListenerProfiles(client: Client, asOf: Date): Promise<void> {
  let last = "";
  for (;;) {
    const { rows } = await client.query<Account>(profilePage, [last, PAGE]);
    if (rows.length === 0) return;
    last = rows.at(-1)!.listener_id;
    const places = rows.map(({ latitude, longitude }) =>
      latitude === null || longitude === null ? UNKNOWN : placeAt(latitude, longitude),
    );
    await client.query(refreshProfiles, [
      rows.map((row) => row.listener_id),
      places.map((place) => place.city),
      places.map((place) => place.region),
      places.map((place) => place.country),
      asOf.toISOString().slice(0, 10),
    ]);
  }
}
