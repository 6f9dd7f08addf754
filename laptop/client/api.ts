import http from "node:http";
import https from "node:https";
import { AwsV4Signer } from "aws4fetch";

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface Answer {
  status: number;
  /** Parsed when the answer is JSON, else its text. */
  body: unknown;
}

/** Speaks to a deployed HTTP API whose routes ask for AWS credentials: signs each request with Signature Version 4. */
export class ApiClient {
  private readonly agent: http.Agent;

  /** @param url what the stack's output `ApiUrl` says */
  constructor(
    readonly url: string,
    private readonly region: string,
    private readonly credentials: Credentials,
  ) {
    const options = { keepAlive: true, maxSockets: 16 };
    this.agent = url.startsWith("https:") ? new https.Agent(options) : new http.Agent(options);
  }

  get(path: string): Promise<Answer> {
    return this.request("GET", path);
  }

  post(path: string, body: unknown): Promise<Answer> {
    return this.request("POST", path, typeof body === "string" ? body : JSON.stringify(body));
  }

  /**
   * @param path from the API's root, with its query: `/v1/events`
   * @throws Error when no answer comes within 30 seconds; an answer with an error status is returned
   */
  async request(method: string, path: string, body?: string): Promise<Answer> {
    const target = new URL(path.replace(/^\//, ""), this.url.endsWith("/") ? this.url : `${this.url}/`);
    const signed = await new AwsV4Signer({
      method,
      url: target.href,
      service: "execute-api",
      region: this.region,
      ...this.credentials,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      ...(body !== undefined && { body }),
    }).sign();
    return new Promise((resolve, reject) => {
      const { request } = target.protocol === "https:" ? https : http;
      const sent = request(
        signed.url,
        { method, headers: Object.fromEntries(signed.headers), agent: this.agent, timeout: 30_000 },
        (response) => {
          const parts: Buffer[] = [];
          response.on("data", (part: Buffer) => parts.push(part));
          response.on("error", reject);
          response.on("end", () => {
            resolve({ status: response.statusCode ?? 0, body: parse(Buffer.concat(parts).toString("utf8")) });
          });
        },
      );
      sent.on("timeout", () => sent.destroy(new Error("no answer within 30 seconds")));
      sent.on("error", (error) => reject(new Error(`${method} ${target.href}: ${error.message || String(error)}`)));
      sent.end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The text of an answer that is an error: a problem document's (RFC 9457) title and detail, else the body. */
export function problemText({ status, body }: Answer): string {
  if (typeof body !== "object" || body === null) return `HTTP ${status}: ${String(body).slice(0, 200)}`;
  const { title, detail, message } = body as Record<string, unknown>;
  return `HTTP ${status}: ${[title, detail, message].filter((part) => typeof part === "string").join(": ")}`;
}
