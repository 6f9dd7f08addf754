import tables from "../features/tables.json";

/** What the Feature Store keeps of a snapshot, and which column says whose a record is. */
export const GROUPS = { listeners: "listener_id", artists: "artist_id" } as const;
export type Group = keyof typeof GROUPS;

/** The feature that says as of when a record is: the run's moment. */
export const EVENT_TIME = "as_of";

const featureTypes: Readonly<Record<string, "Integral" | "Fractional" | "String">> = {
  INT32: "Integral",
  FLOAT: "Fractional",
  DOUBLE: "Fractional",
  STRING: "String",
  // The Feature Store has no moments: text, as ISO 8601.
  TIMESTAMP: "String",
};

/**
 * Features of a group: the columns of its table, the moment, and the run that made them.
 * https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-quotas.html
 */
export const featuresOf = (group: Group): { featureName: string; featureType: string }[] => [
  ...Object.entries(tables[group]).map(([featureName, type]) => ({ featureName, featureType: featureTypes[type]! })),
  { featureName: EVENT_TIME, featureType: "String" },
  { featureName: "run_id", featureType: "String" },
];
