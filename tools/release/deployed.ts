import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { s3Bucket } from "../../lambdas/shared/storage";
import type { Deployed } from "./releases";

/**
 * The deployment of an environment, found by its stacks' outputs. Region and credentials are those of the AWS CLI.
 * @throws Error that names the stack or output that is missing
 */
export async function deployed(environment: string): Promise<Deployed> {
  const [bucket, functionName] = await Promise.all([
    output(`segue-${environment}-data`, "LakeBucketName"),
    output(`segue-${environment}-serving`, "PromoteFunction"),
  ]);
  const lambda = new LambdaClient();
  return {
    lake: s3Bucket(bucket),
    async promote(input) {
      const Payload = JSON.stringify(input);
      const answer = await lambda.send(new InvokeCommand({ FunctionName: functionName, Payload }));
      const body = JSON.parse(answer.Payload?.transformToString() || "null");
      if (answer.FunctionError) throw new Error(body?.errorMessage ?? answer.FunctionError);
      return body;
    },
  };
}

async function output(stack: string, name: string): Promise<string> {
  const { Stacks = [] } = await new CloudFormationClient().send(new DescribeStacksCommand({ StackName: stack }));
  const found = Stacks[0]?.Outputs?.find(({ OutputKey }) => OutputKey === name)?.OutputValue;
  if (!found) throw new Error(`${stack} has no output ${name}: deploy this version first`);
  return found;
}
