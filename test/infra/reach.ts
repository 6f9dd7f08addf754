import { resource, resources, statements, type Templates, text } from "./support";

/** Calls that AWS makes in a function's name, from outside the VPC, and tokens that are signed without a call. */
const withoutRoute: readonly { readonly action: RegExp; readonly why: string }[] = [
  { action: /^logs:(CreateLogStream|PutLogEvents)$/, why: "by Lambda: logs" },
  { action: /^xray:/, why: "by Lambda: traces" },
  { action: /^ec2:/, why: "by Lambda: network interfaces" },
  {
    action:
      /^kinesis:(DescribeStream|DescribeStreamSummary|DescribeStreamConsumer|GetRecords|GetShardIterator|ListShards|ListStreams|SubscribeToShard)$/,
    why: "by Lambda: the event source mapping reads",
  },
  { action: /^kms:(Decrypt|GenerateDataKey)$/, why: "by S3 and Kinesis: the customer-managed key" },
  { action: /^rds-db:connect$/, why: "signed in the function: Postgres" },
  { action: /^elasticache:Connect$/, why: "signed in the function: cache" },
];

/** What a function may call and connect to, and by which way. */
export interface Reach {
  readonly name: string;
  readonly inVpc: boolean;
  /** `Postgres 5432`, as far as its security groups let it. */
  readonly stores: readonly string[];
  /** AWS APIs that its own code may call. */
  readonly calls: readonly string[];
  /** What AWS calls in its name. */
  readonly platform: readonly string[];
  /** Of `calls`, those that have no way out. */
  readonly stranded: readonly string[];
}

const unique = (values: readonly string[]) => [...new Set(values)].sort();

/** The reach of every function of an environment, read from its templates. */
export function reachOf(templates: Templates): Reach[] {
  const granted = statements(templates);
  const endpoint = resources(templates, "AWS::EC2::VPCEndpoint").flatMap(
    ([, { Properties }]) => Properties.PolicyDocument?.Statement ?? [],
  );
  const throughEndpoint = new Set<string>(endpoint.flatMap(({ Action }: { Action: string | string[] }) => Action));
  return resources(templates, "AWS::Lambda::Function")
    .map(([, { Properties }]): Reach => {
      const role = /^\$\{(\w+)\.Arn\}$/.exec(text(Properties.Role))?.[1] as string;
      const own = granted.filter(
        ({ where }) => where === role || where.replace(/DefaultPolicy[0-9A-F]{8}$/, "") === role.slice(0, -8),
      );
      const actions = own.flatMap((one) => one.actions);
      const known = (action: string) => withoutRoute.find((entry) => entry.action.test(action));
      const calls = unique(actions.filter((action) => !known(action)));
      const rules = ((Properties.VpcConfig?.SecurityGroupIds ?? []) as unknown[]).flatMap((group) => {
        const id = /(\w+?)(GroupId)?\}$/.exec(text(group).replace(".GroupId", ""))?.[1] ?? "";
        return resource(templates, "AWS::EC2::SecurityGroup", id).Properties.SecurityGroupEgress as {
          Description: string;
          FromPort: number;
          ToPort: number;
        }[];
      });
      const open = rules.map(
        ({ Description, FromPort, ToPort }) =>
          `${Description.replace(/^to /, "")} ${FromPort === ToPort ? FromPort : `${FromPort}-${ToPort}`}`,
      );
      const inVpc = Properties.VpcConfig !== undefined;
      const byEndpoint = (action: string) => open.includes("s3 443") && throughEndpoint.has(action);
      return {
        name: Properties.Environment.Variables.POWERTOOLS_SERVICE_NAME,
        inVpc,
        stores: open.filter((one) => !one.startsWith("s3 ")),
        calls,
        platform: unique(actions.flatMap((action) => known(action)?.why ?? [])),
        stranded: inVpc ? calls.filter((action) => !byEndpoint(action)) : [],
      };
    })
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** A Markdown table with aligned columns, its first row the header. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const [header = "", ...lines] = rows.map(
    (row) => `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`,
  );
  return [header, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...lines].join("\n");
}

/** `docs/network.md`, from what `reachOf` found. */
export function reachPage(reaches: readonly Reach[]): string {
  const list = (values: readonly string[], none = "–") =>
    values.length ? values.map((value) => `\`${value}\``).join(", ") : none;
  const header = ["function", "in the VPC", "stores, with port", "AWS calls of its own code", "way"];
  const rows = unique(reaches.map(({ name }) => name)).map((name) => {
    const one = reaches.find((reach) => reach.name === name) as Reach;
    const way = one.inVpc ? (one.calls.length ? "S3 gateway endpoint" : "none needed") : "Lambda's own network";
    return [`\`${name}\``, one.inVpc ? "yes" : "no", list(one.stores), list(one.calls), way];
  });
  const platform = unique(reaches.flatMap((one) => one.platform)).map((why) => `- ${why}`);
  return `# What each function reaches

Written by \`npm run network\` from the templates of \`dev\`; \`test/infra/network.test.ts\` fails when this page and the templates differ, and
when the role of a function in the VPC allows a call that has no way out.

The VPC has two isolated subnets: no NAT gateway, no internet gateway, no interface endpoint. The one way out is the gateway endpoint of
S3, which costs nothing, and lets this account's principals use Segue's own buckets and nothing else. A function in the VPC can
therefore call S3 or nothing; any other call would hang until the function's time is up. Functions outside the VPC reach AWS's public
endpoints over Lambda's own network.

${table([header, ...rows])}

Some of a role's permissions are not for the function's code, and need no route:

${platform.join("\n")}

Nothing connects to a function: no security group of one has a rule inwards. The stores' groups admit the functions above, by their groups,
and nobody else. \`network.existing\` puts the same functions into a VPC of yours. It needs a way to S3 there (name its route tables and an
endpoint is added) and a way to each store that you bring along.
`;
}
