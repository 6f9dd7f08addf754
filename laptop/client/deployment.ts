import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import type { Account } from "../account";
import { DemoError } from "../demo/errors";

/** What the stacks say of themselves: the outputs of docs/formats.md. */
export interface Deployment {
  apiUrl: string;
  lakeBucket: string;
  stateMachineArn: string;
  postgres: { host: string; port: number; database: string };
}

/** How SDK clients of this process reach the account; nothing is taken from the environment of whoever runs the demo. */
export function awsOptions(account: Account) {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = account.environment;
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) throw new DemoError("the emulated account gave no credentials");
  return {
    endpoint: account.endpoint,
    region: account.region,
    credentials: {
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
      ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }),
    },
  };
}

/** Reads the outputs of the deployed stacks. @throws DemoError naming the output that is missing */
export async function readDeployment(account: Account): Promise<Deployment> {
  const client = new CloudFormationClient(awsOptions(account));
  try {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({}));
    const outputs = new Map(
      Stacks.filter((stack) => stack.StackName?.startsWith("segue-laptop-")).flatMap(({ Outputs = [] }) =>
        Outputs.map((output) => [output.OutputKey, output.OutputValue] as const),
      ),
    );
    const output = (key: string) => {
      const value = outputs.get(key);
      if (value === undefined) throw new DemoError(`the deployed stacks have no output ${key}`);
      return value;
    };
    return {
      apiUrl: output("ApiUrl"),
      lakeBucket: output("LakeBucketName"),
      stateMachineArn: output("StateMachineArn"),
      postgres: {
        host: output("PostgresHost"),
        port: Number(output("PostgresPort")),
        database: output("PostgresDatabase"),
      },
    };
  } finally {
    client.destroy();
  }
}
