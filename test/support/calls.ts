/** A call of AWS, with names that hold in any environment: `{lake}`, `{function:model/Gate}`, `{run}`. */
export interface Call {
  /** `data/Etl`, `model/Hooks` and the like; `machine`; `job:train`, `job:score`. */
  readonly by: string;
  readonly action: string;
  readonly resource: string;
  /** Of `s3:ListBucket`: the prefix asked for. */
  readonly prefix?: string;
  /** Of `iam:PassRole`: whom to. */
  readonly service?: string;
}

const stack = "segue-laptop-([a-z]+)";
const run = /\d{8}t\d{6}-[0-9a-f]{8}/g;

/** Who called: a function's physical name, a job's thread, or the state machine. */
const caller = (by: string): string =>
  by.startsWith("job-")
    ? by.replace(/^job-.*-(\w+)$/, "job:$1")
    : by.replace(new RegExp(`^${stack}-(\\w+?)[0-9A-F]{8}-.*$`), "$1/$2");

const key = (text: string): string =>
  text
    .replace(run, "{run}")
    .replace(/[0-9a-f]{64}(?=\.gz$)/, "{code}")
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/, "{request}")
    .replace(/part-\d+/, "part-{n}")
    .replace(/dt=.*$/, "{file}");

const resource = (text: string): string =>
  key(text)
    .replace(new RegExp(`^arn:aws:s3:::${stack}-lakeraw[^/]*`), "{raw}")
    .replace(new RegExp(`^arn:aws:s3:::${stack}-lake[^/]*`), "{lake}")
    .replace(new RegExp(`^arn:aws:s3:::${stack}-keysbucket[^/]*`), "{keys}")
    .replace(/^arn:aws:s3:::cdk-hnb659fds-assets-[^/]*/, "{assets}")
    .replace(/^arn:aws:states:.*:stateMachine:segue-laptop-privacy$/, "{privacy}")
    .replace(/^arn:aws:states:.*:execution:segue-laptop-privacy:.*$/, "{asked}")
    .replace(/^arn:aws:kinesis:.*:stream\/.*$/, "{stream}")
    .replace(new RegExp(`^arn:aws:lambda:.*:function:${stack}-(\\w+?)[0-9A-F]{8}-[^:]*`), "{function:$1/$2}")
    .replace(new RegExp(`^arn:aws:cloudformation:.*:stack/${stack}/.*$`), "{stack:$1}")
    .replace(new RegExp(`^arn:aws:iam::.*:role/${stack}-(\\w+?)[0-9A-F]{8}-.*$`), "{role:$1/$2}")
    .replace(/^arn:aws:sagemaker:.*:model-package\/.*$/, "{versions}")
    // Emptying a bucket deletes whatever is there.
    .replace(/^(\{(?:raw|lake)\})\/(raw|clean|quarantine)\/.*$/, "$1/$2/{file}");

/** Whether a file of raw records goes whole or in part is the chance of what came together with the listener's. */
const asOne = (call: Call): Call =>
  /-Erase[0-9A-F]{8}-/.test(call.by) && call.action === "s3:DeleteObject" && call.resource.includes("/raw/dt=")
    ? { ...call, action: "s3:PutObject" }
    : call;

/** Whether the listener that is erased is among a release's samples is chance: what is done then is counted in any case. */
const SAMPLED: readonly Call[] = [
  "runs/{run}/publish/loaded/part-{n}.jsonl.out.json",
  "releases/{run}/manifest.json",
].map((file) => ({ by: "data/Erase", action: "s3:PutObject", resource: `{lake}/${file}` }));

/** What the account recorded, each different call once, in order of text. */
export function readCalls(lines: string): Call[] {
  const calls = lines
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Call)
    .map(asOne)
    .map(({ by, action, resource: target, prefix, service }) =>
      JSON.stringify({
        by: caller(by),
        action,
        resource:
          caller(by).endsWith("/Hooks") && action === "s3:DeleteObject"
            ? `${resource(target).split("/")[0]}/{any}`
            : resource(target),
        ...(prefix !== undefined && { prefix: key(prefix) }),
        ...(service !== undefined && { service }),
      }),
    );
  return [...new Set([...calls, ...SAMPLED.map((call) => JSON.stringify(call))])]
    .sort()
    .map((line) => JSON.parse(line) as Call);
}
