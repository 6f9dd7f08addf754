import path from "node:path";

export const region = "us-east-1";
export const accountId = "123456789012";

/** The repository's root: its `node_modules` holds the AWS SDK that Lambda's own runtime would bring. */
const root = path.resolve(__dirname, "../..");

/** Invented: the account checks no signature, but every client insists on signing. */
const keys = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };

/**
 * For the CDK CLI and the SDKs. The endpoint is an address, not `localhost`: S3 clients then put the bucket into the path
 * by themselves, and no name has to resolve. Profiles and sessions of the user's are switched off.
 */
export function clientEnvironment(endpoint: string): Record<string, string> {
  return {
    ...keys,
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_PROFILE: "",
    AWS_SESSION_TOKEN: "",
    CDK_DEFAULT_ACCOUNT: accountId,
    CDK_DEFAULT_REGION: region,
    CDK_DISABLE_CLI_TELEMETRY: "true",
    CI: "1",
    NO_PROXY: "127.0.0.1,localhost",
    no_proxy: "127.0.0.1,localhost",
  };
}

/**
 * For MiniStack, and through it for every Lambda and every job, which inherit it. Only what is named here is passed on.
 *
 * `inherited` is this process's environment; a few harmless names are taken from it.
 */
export function serverEnvironment(values: {
  readonly port: number;
  readonly valkey: { readonly host: string; readonly port: number };
  readonly tmpDir: string;
  readonly inherited: Readonly<Record<string, string | undefined>>;
}): Record<string, string> {
  const inherited = Object.fromEntries(
    ["HOME", "LANG", "LC_ALL", "TZ"].flatMap((name) => {
      const value = values.inherited[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  return {
    ...inherited,
    ...keys,
    // Lambdas run on the first `node` found, whatever Runtime they ask for: the one that runs the laptop.
    PATH: [path.dirname(process.execPath), values.inherited.PATH ?? "/usr/bin:/bin"].join(path.delimiter),
    NODE_PATH: path.join(root, "node_modules"),
    TMPDIR: values.tmpDir,
    PYTHONUNBUFFERED: "1",
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_EC2_METADATA_DISABLED: "true",
    NO_PROXY: "127.0.0.1,localhost",
    no_proxy: "127.0.0.1,localhost",
    BIND_HOST: "127.0.0.1",
    GATEWAY_PORT: String(values.port),
    MINISTACK_ACCOUNT_ID: accountId,
    MINISTACK_REGION: region,
    LOG_LEVEL: "INFO",
    // Nothing here may reach for a container, even where Docker is installed.
    DOCKER_HOST: `unix://${path.join(values.tmpDir, "no-docker.sock")}`,
    LAMBDA_EXECUTOR: "local",
    // A warm process takes some 60 MB: beyond the first of each function they go after half a minute without work. How
    // many a function may have is bounded in additions/lambdas.py; invocations over that wait, up to this many in all.
    LAMBDA_WARM_TTL_SECONDS: "30",
    LAMBDA_ACCOUNT_CONCURRENCY: "200",
    MINISTACK_WORKER_THREADS: "64",
    SFTP_ENABLED: "0",
    IOT_MTLS_ENABLED: "0",
    // What MiniStack's own ElastiCache answers with when there is no Docker.
    REDIS_HOST: values.valkey.host,
    REDIS_PORT: String(values.valkey.port),
  };
}
