import tables from "./0001-tables.sql";
import roles from "./0002-roles.sql";
import eventDays from "./0003-event-days.sql";
import ownNames from "./0004-own-names.sql";
import featureRuns from "./0005-feature-runs.sql";
import pseudonyms from "./0006-pseudonyms.sql";
import erasure from "./0007-erasure.sql";
import namesOfOthers from "./0008-names-of-others.sql";
import oldDays from "./0009-old-days.sql";
import forgetNames from "./0010-forget-names.sql";

/** One step of the schema. A step that was applied anywhere is never edited: the next change is the next file. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

/** In the order in which they are applied. */
export const migrations: readonly Migration[] = [
  { name: "0001-tables", sql: tables },
  { name: "0002-roles", sql: roles },
  { name: "0003-event-days", sql: eventDays },
  { name: "0004-own-names", sql: ownNames },
  { name: "0005-feature-runs", sql: featureRuns },
  { name: "0006-pseudonyms", sql: pseudonyms },
  { name: "0007-erasure", sql: erasure },
  { name: "0008-names-of-others", sql: namesOfOthers },
  { name: "0009-old-days", sql: oldDays },
  { name: "0010-forget-names", sql: forgetNames },
];
