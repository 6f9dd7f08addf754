import { Sha256 } from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";
import * as z from "zod/mini";
import { lambdaIdentity } from "../shared/iam-token";
import type { List } from "../shared/lists";
import { BUNDLED_KEY } from "../shared/release";

/** S3 may take so long; the client is waiting. */
const TIMEOUT_MS = 1000;

const listSchema = z.object({
  release: z.string(),
  generatedAt: z.string(),
  source: z.enum(["personal", "segment", "popular"]),
  items: z
    .array(
      z.object({
        rank: z.int(),
        artistId: z.string(),
        name: z.string(),
        genre: z.string(),
        score: z.number(),
        reason: z.nullable(z.object({ artistId: z.string(), name: z.string(), text: z.string() })),
      }),
    )
    .check(z.minLength(1)),
});

/**
 * The popular list that promotion left in the lake, for a function that starts while the cache is away. One signed request,
 * without the SDK, which this function does not carry.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 * @throws Error when S3 does not give it in time
 */
export async function bundledPopular(bucket: string): Promise<List> {
  const { region, credentials } = lambdaIdentity();
  const signer = new SignatureV4({
    service: "s3",
    region,
    credentials,
    sha256: Sha256,
    uriEscapePath: false,
  });
  const url = new URL(BUNDLED_KEY, `${endpoint(bucket, region)}/`);
  const { headers } = await signer.sign({
    method: "GET",
    protocol: url.protocol,
    hostname: url.hostname,
    ...(url.port && { port: Number(url.port) }),
    path: url.pathname,
    headers: { host: url.host },
  });
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`s3://${bucket}/${BUNDLED_KEY}: ${answer.status}`);
  return listSchema.parse(await answer.json());
}

/** A custom endpoint is addressed by path, as in `shared/storage.ts`. */
function endpoint(bucket: string, region: string): string {
  const custom = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
  if (custom) return `${custom.replace(/\/$/, "")}/${bucket}`;
  return `https://${bucket}.s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}
