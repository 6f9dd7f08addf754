import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import type { Outcome } from "../../lambdas/etl/etl";
import { s3Bucket } from "../../lambdas/shared/storage";
import type { Deployed } from "./replay";

/**
 * The deployment of an environment, found by the outputs of its data stack. Region and credentials are those of the AWS CLI.
 * @throws Error that names the stack or output that is missing
 */
export async function deployed(environment: string): Promise<Deployed> {
  const stack = `segue-${environment}-data`;
  const { Stacks = [] } = await new CloudFormationClient().send(new DescribeStacksCommand({ StackName: stack }));
  const output = (name: string): string => {
    const found = Stacks[0]?.Outputs?.find(({ OutputKey }) => OutputKey === name)?.OutputValue;
    if (!found) throw new Error(`${stack} has no output ${name}: deploy this version first`);
    return found;
  };
  const FunctionName = output("EtlFunction");
  const lambda = new LambdaClient();
  return {
    raw: s3Bucket(output("RawBucketName")),
    lake: s3Bucket(output("LakeBucketName")),
    async etl(Records, replay) {
      // Always `replay` to the function, so that it answers with what it did; a batch that was given up still goes to raw.
      const Payload = JSON.stringify({ Records, replay: replay ? "received" : "failed" });
      const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload }));
      const body = JSON.parse(answer.Payload?.transformToString() || "null");
      if (answer.FunctionError) throw new Error(body?.errorMessage ?? answer.FunctionError);
      return body.outcome as Outcome;
    },
  };
}
