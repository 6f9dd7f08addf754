import { App, Validations } from "aws-cdk-lib";
import { environments } from "../config";
import { addEnvironment } from "../lib/app";
import { ConfigError, readConfig } from "../lib/config";
import { SegueChecks } from "../lib/nag";

/** The CDK app: one environment, `-c env=<name>`, as a deployment of `--all` is of that one. */
function main(): void {
  const app = new App();
  const name = String(app.node.tryGetContext("env") ?? "dev");
  const input = environments[name];
  if (!input)
    throw new ConfigError(`-c env=${name}: no such environment; use one of ${Object.keys(environments).join(", ")}`);
  addEnvironment(app, readConfig(name, input));
  if (app.node.tryGetContext("nag")) Validations.of(app).addPlugins(new SegueChecks(app));
}

try {
  main();
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
