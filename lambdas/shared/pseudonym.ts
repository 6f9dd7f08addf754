import { createHmac } from "node:crypto";
import { signedGet } from "./signed-get";

/** Where the key lies in its bucket. Another key would be `v2`, and would give everybody another id. */
export const PSEUDONYM_KEY = "pseudonym/v1";
export const PSEUDONYM_KEY_BYTES = 32;
const ID_BYTES = 16;
/** While the key cannot be had, it is asked for no more often than this. */
const RETRY_MS = 1000;

/**
 * The listener id that everything behind the edge knows an account by: 22 characters, the first 16 bytes of
 * HMAC-SHA256(key, account id) in base64url. Without the key nobody can go from one to the other, nor try out who it might be.
 * RFC 2104; ENISA, "Pseudonymisation techniques and best practices" (2019), section 5.
 * @param key 32 bytes, as `keyOf` reads them
 */
export const pseudonym = (key: Buffer, accountId: string): string =>
  createHmac("sha256", key).update(accountId).digest().subarray(0, ID_BYTES).toString("base64url");

/** The key cannot be read now; nobody's listener id can be told. */
export class KeyUnavailable extends Error {
  override readonly name = "KeyUnavailable";
}

interface Loading {
  /** Reads the object; stands in for S3 in tests. */
  readonly read?: (bucket: string, key: string) => Promise<Buffer>;
  readonly now?: () => number;
}

/**
 * Reads the key at the first call and keeps it for the life of the process. An attempt that failed is made again at a later call.
 * @returns a function that rejects with KeyUnavailable when S3 does not give the key, or what it gives is none
 */
export function keyOf(bucket: string, { read = signedGet, now = Date.now }: Loading = {}): () => Promise<Buffer> {
  let attempt: { readonly at: number; readonly key: Promise<Buffer>; failed: boolean } | undefined;
  const load = async () => {
    try {
      const bytes = await read(bucket, PSEUDONYM_KEY);
      if (bytes.length === PSEUDONYM_KEY_BYTES) return bytes;
      throw new Error(`s3://${bucket}/${PSEUDONYM_KEY} has ${bytes.length} bytes, not ${PSEUDONYM_KEY_BYTES}`);
    } catch (cause) {
      throw new KeyUnavailable(`the key of listener ids: ${(cause as Error).message}`, { cause });
    }
  };
  return () => {
    if (!attempt || (attempt.failed && now() - attempt.at >= RETRY_MS)) {
      const current = { at: now(), key: load(), failed: false };
      current.key.catch(() => {
        current.failed = true;
        current.at = now();
      });
      attempt = current;
    }
    return attempt.key;
  };
}
