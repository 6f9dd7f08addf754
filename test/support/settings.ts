import { type EnvironmentInput, readConfig } from "../../lib/config";
import { merge } from "../../tools/templates";

type Path = readonly string[];

/** Other values for settings that are words; for numbers and switches there is always another. */
const words: Readonly<Record<string, unknown>> = {
  removal: "retain",
  "network.cidr": "10.30.0.0/22",
  "stream.mode": "on-demand",
  "postgres.engineVersion": "17.6",
  "compute.training.cpu": "ml.m5.2xlarge",
  "compute.scoring.cpu": "ml.m5.2xlarge",
  "api.auth.type": { type: "jwt", issuer: "https://id.example.com", audience: ["segue"] },
  "logs.retentionDays": 30,
  "logs.level": "DEBUG",
  "retraining.timezone": "Europe/Berlin",
  "encryption.key": "own",
  "features.engine": "glue",
  "features.glue.workerType": "G.2X",
  "delivery.canary": "10-percent-5-minutes",
};

/** Settings that have no default, with a value. */
const optional: Readonly<Record<string, unknown>> = {
  tags: { team: "music" },
  "postgres.deletionProtection": true,
  "retraining.schedule": "rate(1 day)",
  "compute.training.gpu": ["ml.g6.xlarge"],
  "api.waf": {},
  "compute.training.hyperparameters": { rank: 32 },
};

/** Settings that change together. */
const together: [string, EnvironmentInput][] = [
  ["spot", { compute: { training: { spot: true, maxWaitMinutes: 120 } } }],
  ["scoring by Processing", { compute: { scoring: { mode: "processing", gpu: ["ml.g6.xlarge"] } } }],
];

/** Settings of `together` that cannot change alone. */
const notAlone = ["name", "compute.training.spot", "compute.scoring.mode"];

/** Settings that are words; each has to be in the matrix. */
export const namedSettings: readonly string[] = Object.keys(words);

function at(path: Path, value: unknown): EnvironmentInput {
  const [group, ...rest] = path as [string, ...string[]];
  const inside = rest.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  // The stream's settings are those of its mode.
  return { [group]: group === "stream" ? { mode: "provisioned", ...(inside as object) } : inside } as EnvironmentInput;
}

/** Paths and values of the settings that have a default, and are no list or free map. */
function leaves(value: unknown, path: Path = []): [Path, unknown][] {
  if (Array.isArray(value) || path.join(".") in optional) return [];
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
  }
  return [[path, value]];
}

/**
 * A change of every setting of an environment, by the setting's name, each to be laid over `base`. Read from the schema, so that a setting
 * that is added is in it.
 * @throws Error naming the setting for which this file says no other value
 */
export function everySetting(environment: string, base: EnvironmentInput = {}): [string, EnvironmentInput][] {
  const accepted = (input: EnvironmentInput) => {
    try {
      readConfig(environment, merge(base, input));
      return true;
    } catch {
      return false;
    }
  };
  /** Another value that the configuration accepts there. */
  const changed = (path: Path, value: unknown): EnvironmentInput => {
    const name = path.join(".");
    if (name === "api.auth.type") return at(["api", "auth"], words[name]);
    const candidates =
      typeof value === "boolean"
        ? [!value]
        : typeof value === "number" && !(name in words)
          ? [value + 1, value * 2, value - 1, value / 2, value + 0.5]
          : name in words
            ? [words[name]]
            : [];
    const found = candidates.map((candidate) => at(path, candidate)).find(accepted);
    if (!found) throw new Error(`${name}: say in \`words\` or \`optional\` what else it may be than ${String(value)}`);
    return found;
  };
  const alone = leaves(readConfig(environment, base)).filter(([path]) => !notAlone.includes(path.join(".")));
  return [
    ...alone.map(([path, value]): [string, EnvironmentInput] => [path.join("."), changed(path, value)]),
    ...Object.entries(optional).map(([name, value]): [string, EnvironmentInput] => [name, at(name.split("."), value)]),
    ...together,
  ];
}
