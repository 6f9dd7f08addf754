import type { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from "@aws-sdk/client-s3";

/** What the Lambdas need of a bucket; small, so that a test can give a map instead. */
export interface Bucket {
  /** Writes one object, replacing what was there. */
  put(key: string, body: Uint8Array | string, contentType?: string): Promise<void>;
  /** Opens an object for reading. @throws Error that names the key when there is none */
  read(key: string): Promise<Readable>;
  /** A whole object as text, or undefined when there is none. For small objects. */
  text(key: string): Promise<string | undefined>;
  /** All objects under a prefix, in key order. */
  list(prefix: string): Promise<{ key: string; size: number }[]>;
  /** Deletes one object; no error when there is none. */
  remove(key: string): Promise<void>;
}

/** A bucket whose folders can be asked for without their objects. */
export interface Folders {
  /** Names of the folders right under a prefix, in order. */
  folders(prefix: string): Promise<string[]>;
}

/**
 * An S3 client. A custom endpoint (an S3-compatible store) is addressed by path, as its host name has no
 * sub-domain for each bucket.
 */
export const s3Client = (): S3Client =>
  new S3Client({ forcePathStyle: Boolean(process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL) });

/** A bucket of S3. */
export function s3Bucket(name: string, client: S3Client = s3Client()): Bucket & Folders {
  const get = async (key: string) => {
    const answer = await client.send(new GetObjectCommand({ Bucket: name, Key: key }));
    if (!answer.Body) throw new Error(`s3://${name}/${key} came without a body`);
    return answer.Body;
  };
  return {
    async put(key, body, contentType = "application/octet-stream") {
      await client.send(new PutObjectCommand({ Bucket: name, Key: key, Body: body, ContentType: contentType }));
    },
    async read(key) {
      try {
        return (await get(key)) as Readable;
      } catch (error) {
        if (error instanceof NoSuchKey) throw new Error(`s3://${name}/${key} does not exist`, { cause: error });
        throw error;
      }
    },
    async text(key) {
      try {
        return await (await get(key)).transformToString();
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      }
    },
    async list(prefix) {
      const found: { key: string; size: number }[] = [];
      let token: string | undefined;
      do {
        const page = await client.send(
          new ListObjectsV2Command({ Bucket: name, Prefix: prefix, ...(token ? { ContinuationToken: token } : {}) }),
        );
        for (const { Key, Size } of page.Contents ?? []) if (Key) found.push({ key: Key, size: Size ?? 0 });
        token = page.NextContinuationToken;
      } while (token);
      return found;
    },
    async folders(prefix) {
      const found: string[] = [];
      for await (const { CommonPrefixes = [] } of paginateListObjectsV2(
        { client },
        { Bucket: name, Prefix: prefix, Delimiter: "/" },
      )) {
        found.push(...CommonPrefixes.map(({ Prefix = "" }) => Prefix.slice(prefix.length, -1)));
      }
      return found;
    },
    async remove(key) {
      await client.send(new DeleteObjectCommand({ Bucket: name, Key: key }));
    },
  };
}
