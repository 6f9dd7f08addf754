import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";

type Answer = APIGatewayProxyStructuredResultV2;

export const JSON_TYPE = { "content-type": "application/json" } as const;

/** A JSON answer of API Gateway (payload format 2.0). */
export const json = (statusCode: number, body: unknown, headers: Record<string, string> = {}): Answer => ({
  statusCode,
  headers: { ...JSON_TYPE, ...headers },
  body: JSON.stringify(body),
});

/**
 * A problem document as RFC 9457 defines it, answered as `application/problem+json`.
 * @param title the kind of problem: the same for each occurrence
 * @param detail this occurrence: what is wrong and what is allowed, in one line
 * @param extra extension members, such as `errors`
 */
export const problem = (
  status: number,
  title: string,
  detail: string,
  extra: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Answer =>
  json(
    status,
    { type: "about:blank", title, status, detail, ...extra },
    { "content-type": "application/problem+json", ...headers },
  );
