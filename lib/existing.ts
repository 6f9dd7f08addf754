import { z } from "zod";
import { areDistinct } from "./config-checks";

/*
 * What an environment may bring along instead of having it made: each is one value of its configuration. Nothing is looked up at synth, so
 * that templates come out the same everywhere; what is written here must be so.
 */

const id = (prefix: string) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}-[0-9a-f]{8,17}$`), { error: `must be an id such as ${prefix}-0123456789abcdef0` });
const host = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, { error: "must be a host name, without scheme and port" });
const port = (usual: number) => z.int().min(1).max(65_535).default(usual);

/** A VPC of two isolated (or private) subnets or more. */
export const vpc = z.strictObject({
  vpcId: id("vpc"),
  /** One in each zone, in the zones' order. */
  subnetIds: z
    .array(id("subnet"))
    .min(2, { error: "must hold two subnets or more, as the database wants two zones", abort: true })
    .refine(areDistinct, { error: "must not name a subnet twice" }),
  availabilityZones: z.array(
    z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/, { error: "must be a zone such as eu-central-1a" }),
  ),
  /** Route tables of the subnets, to add S3's gateway endpoint to. Leave them out where there is one already. */
  routeTableIds: z.array(id("rtb")).min(1).optional(),
});

/** A PostgreSQL of RDS or Aurora with IAM authentication. */
export const postgres = z.strictObject({
  host,
  port: port(5432),
  database: z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,62}$/, { error: "must be a name in lower-case letters, digits and _" })
    .default("segue"),
  /** Resource id of cluster or instance: IAM policies name a database by it. */
  resourceId: z
    .string()
    .regex(/^(cluster|db)-[A-Z0-9]{10,40}$/, { error: "must be a resource id such as cluster-ABCDEFGHIJ0123456789" }),
  /** Runs the migrations: signs in by IAM (a member of rds_iam) and may make tables and roles. */
  adminUser: z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,62}$/, { error: "must be a role in lower-case letters, digits and _" })
    .default("segue_admin"),
  /** The database's security group, to be opened to Segue's functions. Leave it out to do that yourself. */
  securityGroupId: id("sg").optional(),
});

const userId = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, { error: "must be the id of an ElastiCache user" });

/** An ElastiCache Serverless cache for Valkey whose user group has these users, all with IAM authentication. */
export const cache = z.strictObject({
  /** The cache's name, which tokens are signed for. */
  name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, { error: "must be the name of a serverless cache" }),
  host,
  port: port(6379),
  /** Ids of the users; docs/formats.md says what each must be allowed. */
  users: z.strictObject({
    recommend: userId,
    publish: userId,
    /** Leave it out to do without: what listeners did since the last run then changes no answer. */
    recent: userId.optional(),
    /** Takes listeners out who ask for it. */
    erase: userId,
  }),
  /** The cache's security group, to be opened to Segue's functions. Leave it out to do that yourself. */
  securityGroupId: id("sg").optional(),
});

const bucketName = z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, { error: "must be the name of a bucket" });

/** Buckets, for the zones named. They are never emptied, and their settings (expiry, encryption, access) stay yours. */
export const buckets = z.strictObject({
  raw: bucketName.optional(),
  lake: bucketName.optional(),
  /** Holds `pseudonym/v1`, the key of listener ids: 32 bytes. One is made there when it is missing. */
  keys: bucketName.optional(),
});

/** The parts of an environment that are judged together. */
interface Brought {
  readonly region?: string | undefined;
  readonly availabilityZones?: string[] | undefined;
  readonly encryption: { readonly key: string };
  readonly network: { readonly flowLogs: boolean; readonly existing?: z.output<typeof vpc> | undefined };
  readonly lake: { readonly accessLogs: boolean; readonly existing: z.output<typeof buckets> };
  readonly postgres: { readonly existing?: z.output<typeof postgres> | undefined };
  readonly cache: { readonly existing?: z.output<typeof cache> | undefined };
}

export interface Mistake {
  readonly path: readonly string[];
  readonly input: unknown;
  readonly message: string;
}

/** Pairs of settings that cannot be. */
export function mistakes({
  region,
  availabilityZones,
  encryption,
  network,
  lake,
  postgres,
  cache,
}: Brought): Mistake[] {
  const found: Mistake[] = [];
  const when = (wrong: boolean, path: string, input: unknown, message: string) => {
    if (wrong) found.push({ path: path.split("."), input, message });
  };
  const mine = network.existing;
  const zones = mine?.availabilityZones ?? [];
  when(
    Boolean(mine && zones.length !== mine.subnetIds.length),
    "network.existing.availabilityZones",
    zones,
    `must be ${mine?.subnetIds.length}, the zone of each subnet`,
  );
  when(
    Boolean(mine && zones.length === mine.subnetIds.length && new Set(zones).size < 2),
    "network.existing.availabilityZones",
    zones,
    "must be two zones or more, as the database wants them",
  );
  const tables = mine?.routeTableIds ?? [];
  when(
    tables.length > (mine?.subnetIds.length ?? 0),
    "network.existing.routeTableIds",
    tables,
    "must be those of the subnets: at most one for each",
  );
  when(
    Boolean(mine && availabilityZones),
    "availabilityZones",
    availabilityZones,
    "an existing VPC names its zones itself",
  );
  when(
    Boolean(region && zones.some((zone) => zone.slice(0, -1) !== region)),
    "network.existing.availabilityZones",
    zones,
    `must be zones of ${region}`,
  );
  when(
    Boolean(mine && network.flowLogs),
    "network.flowLogs",
    true,
    "flow logs of an existing VPC are its owner's; leave it out",
  );
  const alone = "it needs network.existing too: a new VPC has no way there";
  when(Boolean(postgres.existing && !mine), "postgres.existing", postgres.existing?.host, alone);
  when(Boolean(cache.existing && !mine), "cache.existing", cache.existing?.host, alone);
  const users = cache.existing?.users;
  when(
    Boolean(users && users.publish === users.recommend),
    "cache.existing.users.publish",
    users?.publish,
    "must be another user: only it may write",
  );
  const { raw, lake: clean, keys } = lake.existing;
  when(
    Boolean(raw && raw === clean),
    "lake.existing.raw",
    raw,
    "must be another bucket than the lake: raw records hold coordinates",
  );
  when(
    Boolean(keys && (keys === raw || keys === clean)),
    "lake.existing.keys",
    keys,
    "must be another bucket than raw and lake: whoever reads those must not learn who is who",
  );
  when(
    Boolean(raw && clean && lake.accessLogs),
    "lake.accessLogs",
    true,
    "access logs of existing buckets are their owner's; leave it out",
  );
  const keyRegion = encryption.key.split(":")[3];
  when(
    Boolean(region && keyRegion && keyRegion !== region),
    "encryption.key",
    encryption.key,
    `must be a key in ${region}`,
  );
  return found;
}
