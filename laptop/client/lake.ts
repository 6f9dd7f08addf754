import { GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import type { Account } from "../account";
import { awsOptions } from "./deployment";

/** Reads the lake bucket. */
export class Lake {
  private readonly client: S3Client;

  constructor(
    account: Account,
    private readonly bucket: string,
  ) {
    this.client = new S3Client({ ...awsOptions(account), forcePathStyle: true });
  }

  async json<T>(key: string): Promise<T> {
    const { Body } = await this.client.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }));
    return JSON.parse((await Body?.transformToString()) ?? "") as T;
  }

  /** How many objects lie under the prefix. */
  async count(prefix: string): Promise<number> {
    let count = 0;
    let token: string | undefined;
    do {
      const page = await this.client.send(
        new ListObjectsV2Command({ Bucket: this.bucket, Prefix: prefix, ...(token && { ContinuationToken: token }) }),
      );
      count += page.KeyCount ?? 0;
      token = page.NextContinuationToken;
    } while (token);
    return count;
  }

  close(): void {
    this.client.destroy();
  }
}

/** `evaluation.json` of a run, as far as it is shown. */
export interface Evaluation {
  runId: string;
  protocol: { split: string; cutoff: string; listeners: number };
  metrics: Record<"model" | "popularity" | "random", Record<string, number>>;
  /** Clicks over recommendations shown, by what served before; null or missing where nothing was shown. */
  accuracy?: { shown: number; clicked: number; accuracy: number; interval: [number, number] } | null;
  device?: string;
}
