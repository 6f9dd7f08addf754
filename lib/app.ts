import { type App, Aspects, Tags } from "aws-cdk-lib";
import { ManagedPolicy, PermissionsBoundary } from "aws-cdk-lib/aws-iam";
import type { EnvironmentConfig } from "./config";
import { EncryptLogs } from "./constructs/encryption";
import { DataStack } from "./stacks/data-stack";
import { ModelStack } from "./stacks/model-stack";
import { hasOperations, OperationsStack } from "./stacks/operations-stack";
import { ServingStack } from "./stacks/serving-stack";

/** The stacks of an environment. */
export interface Stacks {
  readonly data: DataStack;
  readonly serving: ServingStack;
  readonly model: ModelStack;
  /** Without one where nothing is to be watched. */
  readonly operations?: OperationsStack;
}

/** Adds an environment to the app: its stacks, wired to each other, and its tags. */
export function addEnvironment(app: App, config: EnvironmentConfig): Stacks {
  const { account, region, name, removal } = config;
  const props = {
    ...(account && region && { env: { account, region } }),
    terminationProtection: removal === "retain",
  };
  const id = (part: string) => `segue-${name}-${part}`;
  const describe = (what: string) => ({ ...props, description: `Segue, ${name}: ${what}` });
  const data = new DataStack(app, id("data"), config, describe("stream, lake, database, ETL"));
  const serving = new ServingStack(app, id("serving"), config, data, describe("cache, publisher, API"));
  const model = new ModelStack(app, id("model"), config, data, serving, describe("retraining, registry"));
  const made = [data, serving, model];
  const operations = hasOperations(config)
    ? new OperationsStack(app, id("operations"), config, made, describe("dashboard, alarms, budget"))
    : undefined;
  const { permissionsBoundary } = config;
  for (const stack of [...made, ...(operations ? [operations] : [])]) {
    if (data.key) Aspects.of(stack).add(new EncryptLogs(data.key));
    if (permissionsBoundary) {
      PermissionsBoundary.of(stack).apply(ManagedPolicy.fromManagedPolicyArn(stack, "Boundary", permissionsBoundary));
    }
  }
  for (const [key, value] of Object.entries({ "segue:environment": name, ...config.tags }))
    Tags.of(app).add(key, value);
  return { data, serving, model, ...(operations && { operations }) };
}
