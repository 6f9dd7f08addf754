import { App } from "aws-cdk-lib";
import { CfnUser } from "aws-cdk-lib/aws-elasticache";
import { laptop } from "../../../config/laptop";
import { addEnvironment } from "../../../lib/app";
import { type EnvironmentInput, readConfig } from "../../../lib/config";

/** What `-c change=` does to the environment `laptop`, over one deployment's life. */
const changes: Readonly<Record<string, EnvironmentInput>> = {
  // Eight dimensions after three sweeps: what later runs are worse and better than, whatever the day.
  first: { compute: { training: { hyperparameters: { rank: 8, sweeps: 3, feedback: "given" } } } },
  ttl: { cache: { ...laptop.cache, ttlDays: 3 } },
  broken: { cache: { ...laptop.cache, ttlDays: 5 } },
  // Still far above what is popular.
  "worse-model": { compute: { training: { hyperparameters: { rank: 4, sweeps: 2, feedback: "given" } } } },
};

const app = new App();
const change = String(app.node.tryGetContext("change"));
const input = changes[change];
if (!input) throw new Error(`-c change=${change}: use one of ${Object.keys(changes).join(", ")}`);
const { serving } = addEnvironment(app, readConfig("laptop", { ...laptop, ...input }));
if (change === "broken") {
  // Refused by the cache, after the function has been updated: there is something to roll back.
  const user = { engine: "valkey", userId: "segue-broken", userName: "segue-broken", accessString: "on +nonsense" };
  new CfnUser(serving, "Broken", { ...user, noPasswordRequired: true }).node.addDependency(serving.publish);
}
