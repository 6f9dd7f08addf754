import { Sha256 } from "@smithy/core/checksum";
import { SignatureV4 } from "@smithy/signature-v4";

/** AWS credentials that sign a token. */
interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Both services accept a token for 15 minutes after its signing; a connection that it opened lives on. */
export const TOKEN_SECONDS = 900;

/** Region and credentials of whoever signs. */
interface Identity {
  readonly region: string;
  readonly credentials: Credentials;
}

/** Who signs a token, as which user of the store, and when (default: now). */
interface Signing extends Identity {
  readonly user: string;
  readonly now?: Date;
}

interface Target {
  readonly service: string;
  readonly hostname: string;
  readonly port?: number;
  readonly query: Record<string, string>;
}

// encodeURIComponent leaves !'()* alone; SigV4 wants RFC 3986.
const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

async function presignedToken(
  { service, hostname, port, query }: Target,
  { region, credentials, now = new Date() }: Signing,
): Promise<string> {
  const host = port === undefined ? hostname : `${hostname}:${port}`;
  const signer = new SignatureV4({ service, region, credentials, sha256: Sha256 });
  const signed = await signer.presign(
    { method: "GET", protocol: "https:", hostname, path: "/", query, headers: { host } },
    { expiresIn: TOKEN_SECONDS, signingDate: now },
  );
  const parameters = Object.entries(signed.query ?? {}).map(([name, value]) => `${name}=${encode(String(value))}`);
  return `${host}/?${parameters.join("&")}`;
}

/**
 * The password for IAM database authentication of RDS and Aurora, signed here without a network call.
 * https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.IAMDBAuth.html
 */
export const rdsToken = (options: Signing & { host: string; port: number }): Promise<string> =>
  presignedToken(
    {
      service: "rds-db",
      hostname: options.host,
      port: options.port,
      query: { Action: "connect", DBUser: options.user },
    },
    options,
  );

/**
 * The password for IAM authentication of an ElastiCache Serverless cache, signed here without a network call.
 * The host is the cache's name in lower case, not its endpoint.
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
 */
export const elastiCacheToken = (options: Signing & { cacheName: string }): Promise<string> =>
  presignedToken(
    {
      service: "elasticache",
      hostname: options.cacheName.toLowerCase(),
      query: { Action: "connect", User: options.user, ResourceType: "ServerlessCache" },
    },
    options,
  );

/**
 * Region and credentials that the Lambda runtime puts into the environment. Read at each use, as they change.
 * @throws Error that names the missing variable
 */
export function lambdaIdentity(environment: NodeJS.ProcessEnv = process.env): Identity {
  const need = (name: string): string => {
    const value = environment[name];
    if (!value) throw new Error(`${name} is not set: signing an IAM token needs the credentials of the Lambda runtime`);
    return value;
  };
  const sessionToken = environment.AWS_SESSION_TOKEN;
  return {
    region: need("AWS_REGION"),
    credentials: {
      accessKeyId: need("AWS_ACCESS_KEY_ID"),
      secretAccessKey: need("AWS_SECRET_ACCESS_KEY"),
      ...(sessionToken ? { sessionToken } : {}),
    },
  };
}
