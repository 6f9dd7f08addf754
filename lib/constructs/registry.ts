import { CfnModelPackageGroup } from "aws-cdk-lib/aws-sagemaker";
import { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import { removalPolicy } from "../removal";
import { Hooks } from "./hooks";

/**
 * The model registry: one version per run, approved or rejected by the gate. A group that holds versions cannot be deleted, so that a
 * hook deletes them first where data goes with the stack.
 */
export class Registry extends Construct {
  readonly group: CfnModelPackageGroup;

  constructor(scope: Construct, id: string, config: EnvironmentConfig) {
    super(scope, id);
    // Neither name nor description may change later: each would replace the group.
    this.group = new CfnModelPackageGroup(this, "Group", { modelPackageGroupName: `segue-${config.name}` });
    this.group.applyRemovalPolicy(removalPolicy(config));
    if (config.removal === "destroy") Hooks.of(this, config).emptyModelPackageGroup("EmptyRegistry", this.group);
  }
}
