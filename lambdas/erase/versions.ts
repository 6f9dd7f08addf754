import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { s3Client } from "../shared/storage";

/** One version of an object. A bucket that keeps none has one of each, `null`. */
export interface Version {
  readonly key: string;
  readonly id: string;
  /** Whether it is what a reader of the key gets. */
  readonly latest: boolean;
}

export interface Content {
  readonly body: Buffer;
  readonly type: string | undefined;
}

/** After which version a listing goes on. */
interface Marker {
  readonly key: string;
  readonly version: string | undefined;
}

/** A bucket with all that it remembers: an object that was replaced or deleted lives on in a bucket with versions. */
export interface Versions {
  /** Versions under a prefix, in order of keys, a page at a time; markers of deletions are left out. */
  page(prefix: string, after?: Marker): Promise<{ readonly versions: readonly Version[]; readonly next?: Marker }>;
  /** Undefined when it is gone by now. */
  get(version: Version): Promise<Content | undefined>;
  /** Replaces what readers get, in one write. */
  put(key: string, content: Content): Promise<void>;
  /** Removes a version for good. */
  remove(version: Version): Promise<void>;
}

const PLAIN = "null";

/** The versions of a bucket of S3. https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html */
export function s3Versions(Bucket: string, client: S3Client = s3Client()): Versions {
  const VersionId = ({ id, latest }: Version) => (latest && id === PLAIN ? {} : { VersionId: id });
  return {
    async page(Prefix, after) {
      const marker = after && { KeyMarker: after.key, ...(after.version && { VersionIdMarker: after.version }) };
      const page = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix, ...marker }));
      const versions = (page.Versions ?? []).map(({ Key = "", VersionId: id = PLAIN, IsLatest }) => ({
        key: Key,
        id,
        latest: IsLatest ?? true,
      }));
      const next =
        page.IsTruncated && page.NextKeyMarker
          ? { key: page.NextKeyMarker, version: page.NextVersionIdMarker }
          : undefined;
      return { versions, ...(next && { next }) };
    },
    async get(version) {
      try {
        const { Body, ContentType } = await client.send(
          new GetObjectCommand({ Bucket, Key: version.key, ...VersionId(version) }),
        );
        return { body: Buffer.from((await Body?.transformToByteArray()) ?? []), type: ContentType };
      } catch (error) {
        if (error instanceof NoSuchKey || (error as Error).name === "NoSuchVersion") return undefined;
        throw error;
      }
    },
    async put(Key, { body, type }) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body: body, ...(type && { ContentType: type }) }));
    },
    async remove(version) {
      await client.send(new DeleteObjectCommand({ Bucket, Key: version.key, ...VersionId(version) }));
    },
  };
}
