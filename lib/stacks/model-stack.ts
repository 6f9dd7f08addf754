import { join } from "node:path";
import { CfnOutput, Duration, Stack, type StackProps } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";
import { gateEnvironment } from "../../lambdas/gate/environment";
import { prepareRunEnvironment } from "../../lambdas/prepare-run/environment";
import { registerEnvironment } from "../../lambdas/register/environment";
import type { EnvironmentConfig } from "../config";
import { FeatureStore } from "../constructs/feature-store";
import { SegueFunction } from "../constructs/function";
import { Images } from "../constructs/images";
import { JobRoles } from "../constructs/job-roles";
import { MlCode } from "../constructs/ml-code";
import { Registry } from "../constructs/registry";
import { Retraining } from "../constructs/retraining";
import { requirements } from "../constructs/training-jobs";
import { grantJobKey, grantList, grantRead, grantWrite } from "../grants";
import type { DataStack } from "./data-stack";
import type { ServingStack } from "./serving-stack";

/** What makes models: the state machine of a run, its SageMaker roles and code, the gate and the registry. */
export class ModelStack extends Stack {
  constructor(
    scope: Construct,
    id: string,
    config: EnvironmentConfig,
    { lake, features, key }: DataStack,
    { publish, promote, scaleCache }: ServingStack,
    props: StackProps,
  ) {
    super(scope, id, props);
    const images = new Images(this, "Images", config);
    const code = new MlCode(this, "Code", join(__dirname, "../../ml"), requirements(config));
    const roles = new JobRoles(this, "Roles", { lake, code, images, tracking: config.tracking });
    if (key) for (const role of [roles.train, roles.score]) grantJobKey(key, role);
    const { group } = new Registry(this, "Registry", config);
    const LAKE_BUCKET = lake.bucketName;

    const prepareRun = new SegueFunction(this, "prepare-run", {
      config,
      description: "Names a run and chooses its instances by the account's quotas",
      schema: prepareRunEnvironment,
      environment: {
        COMPUTE: this.toJsonString(compute(config, images)),
        LAKE_BUCKET,
        MODEL_PACKAGE_GROUP: group.modelPackageGroupName,
      },
      timeout: Duration.minutes(1),
    });
    // Quotas have no ARN that this action could name.
    prepareRun.addToRolePolicy(new PolicyStatement({ actions: ["servicequotas:ListServiceQuotas"], resources: ["*"] }));
    grantRead(lake, prepareRun, "releases/champion.json");
    grantList(lake, prepareRun);
    const versions = this.formatArn({
      service: "sagemaker",
      resource: "model-package",
      resourceName: `${group.modelPackageGroupName}/*`,
    });
    // Listing versions cannot be narrowed to a group.
    const listVersions = new PolicyStatement({ actions: ["sagemaker:ListModelPackages"], resources: ["*"] });
    prepareRun.addToRolePolicy(listVersions);
    prepareRun.addToRolePolicy(
      new PolicyStatement({ actions: ["sagemaker:DescribeModelPackage"], resources: [versions] }),
    );

    const gate = new SegueFunction(this, "gate", {
      config,
      description: "Decides whether a model may become a release",
      schema: gateEnvironment,
      environment: { LAKE_BUCKET, GATE: JSON.stringify(config.gate) },
      timeout: Duration.minutes(2),
      memorySize: 512,
    });
    grantRead(lake, gate, "runs/*/train/*", "runs/*/evaluation.json", "releases/champion.json");
    grantList(lake, gate);
    grantWrite(lake, gate, "runs/*/evaluation.json", "runs/*/gate.json");

    const register = new SegueFunction(this, "register", {
      config,
      description: "Records a model in the registry, approved or rejected",
      schema: registerEnvironment,
      environment: { LAKE_BUCKET, MODEL_PACKAGE_GROUP: group.modelPackageGroupName },
      timeout: Duration.minutes(1),
    });
    const allow = (actions: string[], resources: string[]) =>
      register.addToRolePolicy(new PolicyStatement({ actions, resources }));
    allow(["sagemaker:CreateModelPackage"], [group.ref, versions]);
    register.addToRolePolicy(listVersions);
    // The registry looks at model and image in the name of who registers them.
    grantRead(lake, register, "runs/*/train/*", "runs/*/evaluation.json");
    grantList(lake, register);
    for (const statement of images.pullStatements()) register.addToRolePolicy(statement);

    const { offline, online } = config.features.store;
    const store = { config, lake, ...(key && { key }) };
    const featureStore = offline || online ? new FeatureStore(this, "FeatureStore", store) : undefined;
    const retraining = new Retraining(this, "Retraining", {
      config,
      functions: {
        ...{ prepareRun, features, gate, register, publish, promote, ...(scaleCache && { scaleCache }) },
        ...(featureStore && { storeFeatures: featureStore.writer }),
      },
      lake,
      code,
      roles,
      packages: versions,
      ...(key && { key }),
    });
    new CfnOutput(this, "StateMachineArn", { value: retraining.machine.stateMachineArn });
    new CfnOutput(this, "ModelPackageGroupName", { value: group.modelPackageGroupName });
  }
}

/** What `prepare-run` chooses from. */
function compute({ compute: { training, tuning, scoring } }: EnvironmentConfig, { gpu, cpu }: Images) {
  const images = { gpu, cpu };
  const job = ({ cpu, instanceCount, volumeGb }: typeof training | typeof scoring) => ({
    cpu,
    instanceCount,
    volumeGb,
    images,
  });
  return {
    training: { ...job(training), gpu: training.gpu, spot: training.spot, parallel: tuning?.parallel ?? 1 },
    scoring: {
      ...job(scoring),
      gpu: scoring.mode === "processing" ? scoring.gpu : [],
      mode: scoring.mode ?? "transform",
    },
  };
}
