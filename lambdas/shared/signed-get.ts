import { Sha256 } from "@smithy/core/checksum";
import { SignatureV4 } from "@smithy/signature-v4";
import { lambdaIdentity } from "./iam-token";

/** S3 may take so long; somebody is waiting. */
const TIMEOUT_MS = 1000;

/**
 * Reads one object of S3 with one signed request, without the SDK, which is more than the whole of a small function, and without `fetch`,
 * whose first use loads more than the rest of the start.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 * @throws Error that names the object, when S3 does not give it within a second
 */
export async function signedGet(bucket: string, key: string): Promise<Buffer> {
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
  try {
    return await read(url, headers);
  } catch (cause) {
    throw new Error(`s3://${bucket}/${key}: ${(cause as Error).message}`, { cause });
  }
}

/** @throws Error with the status of an answer other than 200, or with why there was none */
async function read(url: URL, headers: Record<string, string>): Promise<Buffer> {
  const { get } = url.protocol === "http:" ? await import("node:http") : await import("node:https");
  return new Promise((resolve, reject) => {
    // No agent: a connection that is kept would be dead after the function slept.
    const request = get(url, { headers, agent: false }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.once("error", reject);
      answer.once("end", () => {
        if (answer.statusCode === 200) resolve(Buffer.concat(parts));
        else reject(new Error(`${answer.statusCode}`));
      });
    });
    const late = setTimeout(() => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
    request.once("error", reject).once("close", () => clearTimeout(late));
  });
}

/** A custom endpoint is addressed by path, as in `storage.ts`. */
function endpoint(bucket: string, region: string): string {
  const custom = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
  if (custom) return `${custom.replace(/\/$/, "")}/${bucket}`;
  return `https://${bucket}.s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}
