import { ArnFormat, Aws, CfnMapping, Stack } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import { imageAccounts, imageRepository, imageTags } from "../images";

/** The containers that jobs run in: AWS's own for the region that the stack is deployed to, or those of the configuration. */
export class Images extends Construct {
  readonly gpu: string;
  readonly cpu: string;
  private readonly repositories: string[] = [];

  constructor(scope: Construct, id: string, { region, compute }: EnvironmentConfig) {
    super(scope, id);
    const { gpu, cpu } = compute.images;
    // Only a template that any region may get needs the whole table.
    const account = () =>
      region
        ? (imageAccounts[region] as string)
        : new CfnMapping(this, "Accounts", {
            mapping: Object.fromEntries(Object.entries(imageAccounts).map(([key, value]) => [key, { Account: value }])),
          }).findInMap(Aws.REGION, "Account");
    const registry = gpu && cpu ? undefined : account();
    const uri = (own: string | undefined, tag: string) => {
      if (own) return this.allow(own);
      this.repositories.push(this.arn(registry as string, Aws.REGION, imageRepository));
      return `${registry}.dkr.ecr.${Aws.REGION}.${Aws.URL_SUFFIX}/${imageRepository}:${tag}`;
    };
    this.gpu = uri(gpu, imageTags.gpu);
    this.cpu = uri(cpu, imageTags.cpu);
  }

  /** What a role needs to pull them. */
  pullStatements(): PolicyStatement[] {
    return [
      new PolicyStatement({ actions: ["ecr:GetAuthorizationToken"], resources: ["*"] }),
      new PolicyStatement({
        actions: ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
        resources: [...new Set(this.repositories)],
      }),
    ];
  }

  private allow(uri: string): string {
    const [host = "", path = ""] = uri.split(/\/(.*)/);
    const [account = "", , , region = ""] = host.split(".");
    this.repositories.push(this.arn(account, region, path.split(/[:@]/)[0] as string));
    return uri;
  }

  private arn(account: string, region: string, resourceName: string): string {
    const arnFormat = ArnFormat.SLASH_RESOURCE_NAME;
    return Stack.of(this).formatArn({
      service: "ecr",
      resource: "repository",
      resourceName,
      account,
      region,
      arnFormat,
    });
  }
}
