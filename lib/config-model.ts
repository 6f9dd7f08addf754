import { z } from "zod";

/** What of the model shows in lists. The training job gets it as hyperparameters, and scoring finds it in the model. */
export const model = z.strictObject({
  /** Places that lists keep for artists which few have met yet: docs/model.md, "New artists". */
  newArtists: z
    .strictObject({
      /** Fraction of a list's places, rounded up, that new artists get at least. 0: none. */
      share: z.number().min(0).max(0.5).default(0.05),
      /** Places of a list before the first that is kept. */
      after: z.int().min(0).max(99).default(5),
      /** An artist is new while fewer listeners than this played it … */
      listeners: z.int().min(1).max(1000).default(5),
      /** … the first of them no longer ago than this. */
      days: z.number().min(1).max(3650).default(14),
    })
    .prefault({}),
  /**
   * A second stage that puts the best 200 artists of each listener into another order, by what LightGBM learns: never, where it beats the
   * first stage on the holdout, or always. Training then has a network, to install LightGBM when it starts: docs/model.md.
   */
  ranker: z.enum(["off", "when-better", "on"]).default("off"),
});

/** Names of `ml/train.py`'s options, and what they are set to. */
export const modelParameters = ({ newArtists, ranker }: z.output<typeof model>): Record<string, string> => ({
  ...Object.fromEntries(Object.entries(newArtists).map(([name, value]) => [`new-artists-${name}`, String(value)])),
  ...(ranker !== "off" && { ranker }),
});

/** Under `ml/`: what the job installs for the second stage. */
export const modelRequirements = ({ ranker }: z.output<typeof model>): string[] =>
  ranker === "off" ? [] : ["ranker/requirements.txt"];
