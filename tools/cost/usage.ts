/**
 * What the estimate supposes beyond the templates. Figures of the formats are exact; those marked as assumed are round numbers to be
 * replaced by your own.
 */
export const assumptions = {
  /** 730 hours. */
  hoursPerMonth: { value: 730, note: "an average month" },
  daysPerMonth: { value: 730 / 24, note: "likewise" },
  listenersPerDailyListener: { value: 3, note: "listeners with a list, for each who comes on a day; assumed" },
  eventsPerListener: { value: 20, note: "a day; assumed" },
  eventRequestsPerListener: { value: 2, note: "a day, as clients send events in batches; assumed" },
  recommendationsPerListener: { value: 3, note: "a day; assumed" },
  peakOverMean: { value: 3, note: "requests in the busiest hour over the mean; assumed" },
  eventBytes: { value: 350, note: "of one event as JSON; assumed" },
  rawBytesPerEvent: { value: 90, note: "gzipped; assumed" },
  cleanBytesPerEvent: { value: 60, note: "in Parquet; assumed" },
  postgresBytesPerEvent: { value: 500, note: "a row and its indexes; assumed" },
  postgresIoPerEvent: { value: 0.1, note: "reads and writes of storage, in batches; assumed" },
  eventsPerSecondPerAcu: { value: 1500, note: "written and aggregated; assumed, not measured on Aurora" },
  monthsKept: { value: 1, note: "events in Postgres and in the clean zone; it grows by this each month" },
  bytesPerArtist: { value: 4.5, note: "of a list's value, docs/formats.md" },
  bytesPerList: { value: 27, note: "of a list's value with five reasons, beside its artists, docs/formats.md" },
  keyOverheadBytes: { value: 70, note: "of a list in the cache, beyond its value: `npm run bench:cache`, a million" },
  collectSeconds: { value: 0.02, note: "one request; assumed" },
  recommendSeconds: { value: 0.01, note: "one request; assumed" },
  authorizeSeconds: {
    value: 0.005,
    note: "one token, where a REST API takes them; assumed, and counted for each request",
  },
  etlSecondsPerEvent: { value: 0.0005, note: "and half a second a batch; assumed" },
  responseBytes: { value: 2500, note: "an answer of 20 artists with its headers; assumed" },
  logBytesPerRequest: { value: 1500, note: "log lines, metrics and access log; assumed" },
  customMetrics: {
    value: 45,
    note: "that handlers and the API's routes write, cold starts of each function too; rounded up",
  },
  traced: { value: 0.05, note: "of invocations, Lambda's own sampling" },
  transitionsPerRun: { value: 20, note: "states of a run" },
  runsPerDay: { value: 1, note: "assumed" },
  trainingHoursBase: { value: 0.15, note: "instance-hours of a training job; assumed" },
  trainingHoursPerMillion: { value: 1, note: "further instance-hours per million daily listeners; assumed" },
  glueHoursBase: { value: 0.05, note: "of a Glue job that computes features, its start included; assumed" },
  glueDpuHoursPerBillion: { value: 20, note: "further DPU-hours per billion events that are kept; assumed" },
  storedListenerKb: {
    value: 8,
    note: "a listener's record in the Feature Store, most of it the last 100 artists and songs; assumed",
  },
  storedRecordsPerSecond: { value: 1500, note: "written by one function; assumed, not measured on AWS" },
  scoringHoursBase: { value: 0.1, note: "instance-hours of a scoring job; assumed" },
  scoringHoursPerMillion: { value: 0.3, note: "further instance-hours per million lists; assumed" },
  idleGb: { value: 1, note: "stored in S3 and in Postgres by a deployment that is not used" },
} as const;

const of = (name: keyof typeof assumptions) => assumptions[name].value;

/** What a month of so many daily listeners brings. */
export interface Volume {
  readonly dailyListeners: number;
  readonly listeners: number;
  readonly events: number;
  readonly eventRequests: number;
  readonly recommendations: number;
  readonly peakEventRequestsPerSecond: number;
  readonly peakRequestsPerSecond: number;
  readonly peakMbPerSecond: number;
  readonly meanEventsPerSecond: number;
  readonly runs: number;
}

/** @param dailyListeners 0 means idle: nothing sent, no run */
export function volumeOf(dailyListeners: number): Volume {
  const days = of("daysPerMonth");
  const perSecond = (aMonth: number) => aMonth / (days * 86_400);
  const events = dailyListeners * of("eventsPerListener") * days;
  const eventRequests = dailyListeners * of("eventRequestsPerListener") * days;
  const recommendations = dailyListeners * of("recommendationsPerListener") * days;
  const peak = of("peakOverMean");
  return {
    dailyListeners,
    listeners: dailyListeners * of("listenersPerDailyListener"),
    events,
    eventRequests,
    recommendations,
    peakEventRequestsPerSecond: perSecond(eventRequests) * peak,
    peakRequestsPerSecond: perSecond(eventRequests + recommendations) * peak,
    peakMbPerSecond: (perSecond(events) * peak * of("eventBytes")) / 1e6,
    meanEventsPerSecond: perSecond(events),
    runs: dailyListeners ? of("runsPerDay") * days : 0,
  };
}
