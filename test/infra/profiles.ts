import { environments } from "../../config";
import type { EnvironmentInput } from "../../lib/config";
import { type Templates, templatesOf } from "./support";

const gpu = ["ml.g6.xlarge", "ml.g5.xlarge"] as const;

/** What is checked by every policy: the environments, and each switch that adds or changes resources, on. */
export const inputs: Readonly<Record<string, EnvironmentInput>> = {
  ...environments,
  "on-demand stream": { stream: { mode: "on-demand" } },
  "spot and Processing": {
    compute: {
      training: { gpu: [...gpu], spot: true, maxWaitMinutes: 120 },
      scoring: { mode: "processing", gpu: [...gpu], instanceCount: 2 },
    },
  },
  "own key": { encryption: { key: "own" }, compute: { scoring: { mode: "processing" } } },
  "JWT, schedule, fixed region": {
    account: "123456789012",
    region: "eu-central-1",
    api: { auth: { type: "jwt", issuer: "https://id.example.com", audience: ["segue"] } },
    retraining: { schedule: "rate(1 day)" },
  },
};

/** Their templates, made when they are asked for. */
export const variants: Readonly<Record<string, () => Templates>> = Object.fromEntries(
  Object.entries(inputs).map(([name, input]) => [name, () => templatesOf(name in environments ? name : "dev", input)]),
);
