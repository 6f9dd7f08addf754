import { Sha256 } from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";
import { lambdaIdentity } from "./iam-token";

/** S3 may take so long; somebody is waiting. */
const TIMEOUT_MS = 1000;

/**
 * Reads one object of S3 with one signed request, without the SDK, which is more than the whole of a small function.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 * @throws Error that names the object, when S3 does not give it within a second
 */
export async function signedGet(bucket: string, key: string): Promise<Response> {
  const { region, credentials } = lambdaIdentity();
  const signer = new SignatureV4({ service: "s3", region, credentials, sha256: Sha256, uriEscapePath: false });
  const url = new URL(key, `${endpoint(bucket, region)}/`);
  const { headers } = await signer.sign({
    method: "GET",
    protocol: url.protocol,
    hostname: url.hostname,
    ...(url.port && { port: Number(url.port) }),
    path: url.pathname,
    headers: { host: url.host },
  });
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`s3://${bucket}/${key}: ${answer.status}`);
  return answer;
}

/** A custom endpoint is addressed by path, as in `storage.ts`. */
function endpoint(bucket: string, region: string): string {
  const custom = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
  if (custom) return `${custom.replace(/\/$/, "")}/${bucket}`;
  return `https://${bucket}.s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}
